"""The backbone and the markers' head as one module: all of the network that is convolution."""

from __future__ import annotations

import copy

from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse as fold_batch_norms

from refit_ros.core.feedback import MarkerHead


class Encoder(nn.Module):
    """Images -> the markers' maps and the pooled vector."""

    def __init__(self, backbone: nn.Module, head: MarkerHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps, pooled = self.backbone(images)
        return self.head(maps), pooled


def folded_encoder(backbone: nn.Module, head: MarkerHead) -> fx.GraphModule:
    """A copy in evaluation mode whose batch norms are part of the convolutions before them."""
    folded = fold_batch_norms(Encoder(copy.deepcopy(backbone), copy.deepcopy(head)).eval())
    assert isinstance(folded, fx.GraphModule), "torch.fx traces what it folds"
    return folded

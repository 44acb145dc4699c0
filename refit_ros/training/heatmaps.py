"""A training-only head: each marker's feature map should know where its marker is.

The feedback reads a small window around a marker's present place, so its gradient reaches the maps only there. This loss
reaches the whole map, and the backbone learns from the first step on, long before the loop's estimates mean anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SPREAD = 1.0  # deviation of the wanted peak, in cells of the map


class HeatmapHead(nn.Module):
    """1x1 convolution from the feature maps to one heatmap a marker; thrown away after training."""

    def __init__(self, markers: int):
        super().__init__()
        self.convolution = nn.Conv2d(markers, markers, 1)

    def forward(self, maps: Tensor, places: Tensor) -> Tensor:
        """Cross-entropy (nats) of the markers' places.

        maps: (B, M, H, W) features. places: (B, M, 2) x, y in cells, the first cell's centre at 0; markers outside
        the map do not count.
        """
        logits = self.convolution(maps).float()
        height, width = logits.shape[-2:]
        across = _peak(places[..., 0], width)  # (B, M, W)
        down = _peak(places[..., 1], height)  # (B, M, H)
        wanted = torch.einsum("bmhw,bmw->bmh", logits, across)
        wanted = (wanted * down).sum(-1)
        inside = (places >= 0).all(-1) & (places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)
        loss = torch.logsumexp(logits.flatten(2), -1) - wanted
        return (loss * inside).sum() / inside.sum().clamp(min=1)


def _peak(place: Tensor, cells: int) -> Tensor:
    """(..., cells) weights that sum to one, around a place given in cells."""
    off = torch.arange(cells, device=place.device, dtype=place.dtype) - place[..., None]
    return torch.softmax(-off.square() / (2 * SPREAD**2), -1)

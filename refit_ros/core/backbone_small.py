"""The small backbone: a residual encoder to stride 32 and a light way back to stride 4.

Few, wide 3 x 3 convolutions, because that is what a small processor runs best one crop at a time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refit_ros.core.backbone import Backbone

_STEM, _WIDTHS = 32, (64, 128, 192, 256)  # at strides 2 and 4, 8, 16, 32
_BLOCKS = (3, 3, 2, 1)
_MAP = 96  # channels of the map at stride 4
_POOLED_EACH = 12  # channels whose places are kept in the pooled vector


def _convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside the identity (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride)
        self.second = _convolution(outputs, outputs, relu=False)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else _convolution(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.skip(x))


class SmallBackbone(Backbone):
    """Images (B, 3, S, S) -> map (B, 96, S / 4, S / 4) and vector, what is there and, coarsely, where."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, _STEM, stride=2), _convolution(_STEM, _WIDTHS[0], stride=2))
        self.stages = nn.ModuleList()
        inputs = _WIDTHS[0]
        for level, (width, blocks) in enumerate(zip(_WIDTHS, _BLOCKS)):
            first = _Block(inputs, width, stride=1 if level == 0 else 2)
            self.stages.append(nn.Sequential(first, *(_Block(width, width) for _ in range(blocks - 1))))
            inputs = width
        # The way back: coarse levels are narrowed, enlarged and added, then smoothed once at stride 8.
        self.narrow = nn.ModuleList(_convolution(width, _WIDTHS[1], 1, relu=False) for width in _WIDTHS[2:])
        self.smooth = _convolution(_WIDTHS[1], _WIDTHS[1])
        self.to_map = nn.Conv2d(_WIDTHS[1], _MAP, 1, bias=False)
        self.side_to_map = _convolution(_WIDTHS[0], _MAP, 1, relu=False)
        self.places = _convolution(_WIDTHS[3], _POOLED_EACH, 1)
        self.map_channels = _MAP
        self.pooled_channels = _WIDTHS[3] + _POOLED_EACH * (image_size // 32) ** 2

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stages[0](self.stem(images))
        middle = self.stages[1](fine)
        coarse = self.stages[2](middle)
        coarsest = self.stages[3](coarse)
        pooled = torch.cat((coarsest.mean(dim=(2, 3)), self.places(coarsest).flatten(1)), dim=1)
        back = self.narrow[0](coarse) + _enlarged(self.narrow[1](coarsest))
        back = self.smooth(F.relu(middle + _enlarged(back)))
        return F.relu(self.side_to_map(fine) + _enlarged(self.to_map(back))), pooled


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")

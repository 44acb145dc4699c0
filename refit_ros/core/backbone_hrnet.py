"""HRNet with the published ReFit's two outputs: a concatenated map at stride 4 and a pooled vector.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020. Module names are
those of the published checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refit_ros.core.backbone import Backbone

_STEM = 64
_MODULES = {2: 1, 3: 4, 4: 3}  # stage (as many branches) -> exchange modules
_BLOCKS = 4  # residual blocks in each branch of each module


def _convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


def _unit(inputs: int, outputs: int, size: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution, batch norm and perhaps ReLU."""
    layers = [_convolution(inputs, outputs, size, stride), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(width, width), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + x, inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 to four times the width, beside the identity or a projection."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = _convolution(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, outputs, 1), nn.BatchNorm2d(outputs)
        self.downsample = _unit(inputs, outputs, 1, relu=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        beside = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + beside, inplace=True)


class Exchange(nn.Module):
    """Residual blocks on every branch, then every branch takes the sum of all, brought to its size."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(_BLOCKS))) for width in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_between(widths, source, target) for source in range(len(widths))) for target in range(len(widths))
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        branches = [blocks(x) for blocks, x in zip(self.branches, branches)]
        fused = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)
            first, *others = (path(x) for path, x in zip(paths, branches))
            total = first
            for part in others:
                total = total + part
            fused.append(F.relu(total, inplace=False))
        return fused


def _between(widths: list[int], source: int, target: int) -> nn.Module:
    """What carries branch `source` over to branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            _convolution(widths[source], widths[target], 1),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [_unit(widths[source], widths[source], stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, _unit(widths[source], widths[target], stride=2, relu=False))


def _widening(width: int, doublings: int) -> nn.Sequential:
    """Enlarge by 2 ** doublings: bilinear (corners aligned), then a 3 x 3 convolution, each time."""
    layers: list[nn.Module] = []
    for _ in range(doublings):
        layers += [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), *_unit(width, width)]
    return nn.Sequential(*layers)


class HRNet(Backbone):
    """Images (B, 3, S, S) -> map (B, 15 width, S / 4, S / 4) and vector (B, 8 width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.conv1, self.bn1 = _convolution(3, _STEM, stride=2), nn.BatchNorm2d(_STEM)
        self.conv2, self.bn2 = _convolution(_STEM, _STEM, stride=2), nn.BatchNorm2d(_STEM)
        self.layer1 = nn.Sequential(Bottleneck(_STEM, _STEM), *(Bottleneck(4 * _STEM, _STEM) for _ in range(3)))
        # A transition adds one branch, half the size of the last; the first also narrows what layer1 gives.
        self.transition1 = nn.ModuleList([_unit(4 * _STEM, widths[0]), nn.Sequential(_unit(4 * _STEM, widths[1], stride=2))])
        self.stage2 = self._stage(widths[:2])
        self.transition2 = nn.ModuleList(
            [nn.Identity(), nn.Identity(), nn.Sequential(_unit(widths[1], widths[2], stride=2))]
        )
        self.stage3 = self._stage(widths[:3])
        self.transition3 = nn.ModuleList(
            [*(nn.Identity() for _ in range(3)), nn.Sequential(_unit(widths[2], widths[3], stride=2))]
        )
        self.stage4 = self._stage(widths)
        self.upsample_stage_2 = _widening(widths[1], 1)
        self.upsample_stage_3 = _widening(widths[2], 2)
        self.upsample_stage_4 = _widening(widths[3], 3)
        self.downsample_stage_1 = _unit(widths[0], widths[1], stride=2)
        self.downsample_stage_2 = _unit(widths[1], widths[2], stride=2)
        self.downsample_stage_3 = _unit(widths[2], widths[3], stride=2)
        # The published checkpoints hold these three under both names; of a file's two, the later counts.
        self.downsamples = nn.ModuleList([self.downsample_stage_1, self.downsample_stage_2, self.downsample_stage_3])
        self.final_layer = _unit(widths[3], widths[3], 1)
        self.map_channels = sum(widths)
        self.pooled_channels = widths[3]

    @staticmethod
    def _stage(widths: list[int]) -> nn.Sequential:
        return nn.Sequential(*(Exchange(widths) for _ in range(_MODULES[len(widths)])))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.layer1(x)
        branches = self.stage2([self.transition1[0](x), self.transition1[1](x)])
        branches = self.stage3([*branches, self.transition2[2](branches[-1])])
        branches = self.stage4([*branches, self.transition3[3](branches[-1])])
        maps = torch.cat(
            (
                branches[0],
                self.upsample_stage_2(branches[1]),
                self.upsample_stage_3(branches[2]),
                self.upsample_stage_4(branches[3]),
            ),
            dim=1,
        )
        y = branches[0]
        for downsample, branch in zip(self.downsamples, branches[1:]):
            y = downsample(y) + branch
        y = self.final_layer(y)
        return maps, F.avg_pool2d(y, kernel_size=y.shape[-1]).flatten(1)

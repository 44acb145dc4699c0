"""What lies outside the backbone, run alone: from its map and its pooled vector through the head and the loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from refit_ros.core.inference import Prepared, prepare_behind
from refit_ros.core.refit import Features, Refit
from refit_ros.core.types import Crops


class _PassedOn(nn.Module):
    """In a backbone's place: a map goes on as it came."""

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return maps, maps[:, :, 0, 0]  # nobody reads this vector; the loop gets the backbone's


def head_alone(network: Refit, entry: Prepared, fused: bool, graphs: bool) -> Prepared:
    """The head and the loop computed as `entry` computes them; `encode` takes the backbone's maps (B, C, S / 4, S / 4)."""
    side = network.config.image_size // 4
    example = torch.zeros(1, network.backbone.map_channels, side, side, device=entry.device)
    return prepare_behind(_PassedOn(), example, network, entry.precision, entry.engine, entry.max_batch, graphs, fused)


def outside(behind: Prepared, backbone: tuple[Tensor, Tensor], crops: Crops) -> Callable[[], object]:
    """The call to measure. The map lies there as the backbone in this precision leaves it."""
    maps, pooled = backbone
    if behind.engine == "torch":
        maps = maps.to(dtype=getattr(torch, behind.precision), memory_format=torch.channels_last)
    return lambda: behind.fit(Features(behind.encode(maps).maps, pooled), crops)

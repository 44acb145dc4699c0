"""What goes into the network and what comes out: frozen, typed, shapes checked at this door."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


def _check(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {shape}")


@dataclass(frozen=True)
class _OnDevice:
    """Moves every tensor of a frozen dataclass at once."""

    def to(self, device: torch.device | torch.dtype | str, non_blocking: bool = False) -> Self:
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self,
            **{
                name: value.to(device, non_blocking=non_blocking)
                for name, value in moved.items()
                if isinstance(value, Tensor)
            },
        )


@dataclass(frozen=True)
class Crops(_OnDevice):
    """B square crops of people, each with the camera it was cut from.

    The full image is that of a pinhole without distortion and with one focal length.
    A crop of S x S px shows the square of side `side_px` around `center_px` of that image.
    """

    images: Tensor  # (B, 3, S, S) float, RGB, ImageNet mean and deviation removed
    center_px: Tensor  # (B, 2) x, y in the full image
    side_px: Tensor  # (B,) the published scale x 200
    focal_px: Tensor  # (B,)
    principal_px: Tensor  # (B, 2) x, y in the full image

    def __post_init__(self) -> None:
        if self.images.dim() != 4 or self.images.shape[1] != 3 or self.images.shape[2] != self.images.shape[3]:
            raise ValueError(f"images has shape {tuple(self.images.shape)}, expected (B, 3, S, S)")
        count = self.images.shape[0]
        _check("center_px", self.center_px, (count, 2))
        _check("side_px", self.side_px, (count,))
        _check("focal_px", self.focal_px, (count,))
        _check("principal_px", self.principal_px, (count, 2))

    def __len__(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class Views(_OnDevice):
    """Which crops show the same person at the same time, and how their cameras are turned.

    People may be seen by different numbers of views: the crops of one person share one index.
    """

    person: Tensor  # (B,) int64, 0 .. P-1
    camera_from_world: Tensor  # (B, 3, 3) rotation, world to camera

    def __post_init__(self) -> None:
        count = self.person.shape[0]
        _check("person", self.person, (count,))
        _check("camera_from_world", self.camera_from_world, (count, 3, 3))


@dataclass(frozen=True)
class Estimate(_OnDevice):
    """One body for each crop, in that crop's camera frame (x right, y down, z forward)."""

    rotmats: Tensor  # (B, 24, 3, 3): global orientation, then 23 joints relative to their parents
    betas: Tensor  # (B, 10)
    weak_perspective: Tensor  # (B, 3): s, tx, ty of the crop
    transl: Tensor  # (B, 3) m, as smplx adds it to the posed vertices

    def __len__(self) -> int:
        return self.rotmats.shape[0]


@dataclass(frozen=True)
class Fit:
    """The last estimate and all before it, the initial one first."""

    estimate: Estimate
    history: tuple[Estimate, ...]  # iterations + 1 entries

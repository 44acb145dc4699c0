"""Pinhole, square crop and weak-perspective camera: where a body of the network stands in the image.

Frames: a camera frame has x right, y down, z forward, in metres. Pixels of a full image are those of
a pinhole without distortion and with one focal length. A crop is the square of side `side_px` around
`center_px` of that image, shown at S x S px.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from refit_ros.core.precision import in_float32
from refit_ros.core.types import Crops

IMAGENET_MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, float, float] = (0.229, 0.224, 0.225)
"""Of RGB in 0 .. 1: images are normalised as (rgb / 255 - mean) / std."""

_TINY = 1e-6  # below this a depth or a scale cannot be divided by


def _away_from_zero(value: Tensor) -> Tensor:
    return torch.where(value.abs() < _TINY, torch.full_like(value, _TINY), value)


@in_float32
def project(points_m: Tensor, focal_px: Tensor, principal_px: Tensor) -> Tensor:
    """Points of a camera frame (B, N, 3) through its pinhole -> (B, N, 2) px of the full image.

    focal_px (B,), principal_px (B, 2). Finite for every finite point; behind the camera it is mirrored.
    """
    return points_m[..., :2] / _away_from_zero(points_m[..., 2:]) * focal_px[:, None, None] + principal_px[:, None]


@in_float32
def crop_from_image_px(points_px: Tensor, center_px: Tensor, side_px: Tensor, crop_size: int) -> Tensor:
    """(B, N, 2) px of the full image -> (B, N, 2) px of the crop: (u - (center - side / 2)) S / side."""
    corner = center_px - side_px[:, None] / 2
    return (points_px - corner[:, None]) * (crop_size / side_px)[:, None, None]


def box_feature(crops: Crops) -> Tensor:
    """(B, 3): where and how large the crop is in the image, in units that need no camera.

    ((cx - px) / f * 2.8, (cy - py) / f * 2.8, (side - 0.24 f) / (0.06 f)), after CLIFF (Li et al., ECCV 2022).
    """
    focal = crops.focal_px
    offset = (crops.center_px - crops.principal_px) / focal[:, None] * 2.8
    size = (crops.side_px - 0.24 * focal) / (0.06 * focal)
    return torch.cat((offset, size[:, None]), dim=1)


@in_float32
def transl_from_weak_perspective(weak_perspective: Tensor, crops: Crops) -> Tensor:
    """Crop camera (B, 3) s, tx, ty -> translation (B, 3) m in the camera frame.

    (tx + 2 (cx - px) / (b s), ty + 2 (cy - py) / (b s), 2 f / (b s)) with b the crop's side.
    """
    scale = _away_from_zero(weak_perspective[:, :1]) * crops.side_px[:, None]
    across = weak_perspective[:, 1:] + 2 * (crops.center_px - crops.principal_px) / scale
    return torch.cat((across, 2 * crops.focal_px[:, None] / scale), dim=1)


@in_float32
def weak_perspective_from_transl(transl: Tensor, crops: Crops) -> Tensor:
    """Inverse of `transl_from_weak_perspective`: (B, 3) m -> (B, 3) s, tx, ty of these crops."""
    scale = 2 * crops.focal_px[:, None] / _away_from_zero(transl[:, 2:])
    across = transl[:, :2] - 2 * (crops.center_px - crops.principal_px) / _away_from_zero(scale)
    return torch.cat((scale / crops.side_px[:, None], across), dim=1)


def default_focal_px(height_px: int, width_px: int) -> float:
    """Focal length assumed of a camera that nobody calibrated: the image's diagonal, sqrt(h^2 + w^2)."""
    return math.hypot(height_px, width_px)

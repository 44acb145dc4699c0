"""The flip test: look at the mirrored crop too, mirror the result back, and take the mean of both."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from refit_ros.core.joints import MIRRORED
from refit_ros.core.refit import Refit
from refit_ros.core.rotations import nearest_rotmat
from refit_ros.core.types import Crops, Estimate


def mirrored_crops(crops: Crops, axis_px: Tensor | float | None = None) -> Crops:
    """The crops as a mirror shows them, about the vertical line x = `axis_px` of the full image.

    None: about the principal point, which is exact for every camera. The published code mirrors the centre about
    the middle of the image and leaves the principal point where it is: the same where the two coincide.
    """
    axis = crops.principal_px[:, 0] if axis_px is None else axis_px
    center = torch.stack((2 * axis - crops.center_px[:, 0], crops.center_px[:, 1]), dim=1)
    return replace(crops, images=crops.images.flip(dims=(3,)), center_px=center)


def mirrored_rotmats(rotmats: Tensor) -> Tensor:
    """(B, 24, 3, 3) as a mirror of x shows them: M R M with M = diag(-1, 1, 1), left and right exchanged."""
    sign = rotmats.new_tensor((-1.0, 1.0, 1.0))
    return (rotmats * sign[:, None] * sign)[:, list(MIRRORED)]


def fit_with_flip(
    network: Refit, crops: Crops, axis_px: Tensor | float | None = None, iterations: int | None = None
) -> Estimate:
    """One estimate of both looks: shapes and rotations averaged, the camera from the unmirrored one."""
    plain = network(crops, iterations=iterations).estimate
    other = network(mirrored_crops(crops, axis_px), iterations=iterations).estimate
    rotmats = nearest_rotmat((plain.rotmats + mirrored_rotmats(other.rotmats)) / 2)
    return replace(plain, rotmats=rotmats, betas=(plain.betas + other.betas) / 2)

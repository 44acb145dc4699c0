"""What the network is taught to make small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from refit_ros.core.camera import crop_from_image_px, project
from refit_ros.core.types import Estimate, Fit
from refit_ros.training.data import Batch

NEAREST_M = 0.1  # a body estimated behind the camera is projected as if it stood here, so that the loss stays finite


@dataclass(frozen=True)
class LossWeights:
    """Published values; a preset says where it departs from them."""

    keypoints_px: float = 5.0  # mean square distance of projected joints, the crop reaching from -1 to 1
    keypoints_m: float = 5.0  # mean square distance of joints, pelvis at the origin
    rotations: float = 1.0  # mean square difference of rotation matrices
    shape: float = 0.001  # mean square difference of betas
    surface: float = 1.0  # mean absolute difference of the surface's points (markers, or the whole mesh)
    joints: float = 0.0  # mean distance of joints, pelvis at the origin: the error that evaluation reports
    depth: float = 0.0  # mean absolute relative error of the pelvis's distance
    heatmaps: float = 0.0  # cross-entropy of the markers' places in the feature maps, fading with training
    whole_mesh: bool = True  # surface: every vertex as published, or the 67 markers, at a hundredth of the work
    keypoints_px_limit: float = float("inf")  # squares grow linearly beyond this, so that a lost crop does not rule
    decay: float = 0.85  # an iteration weighs this much less than the one after it
    scale: float = 60.0

    @property
    def terms(self) -> dict[str, float]:
        return {
            name: getattr(self, name)
            for name in ("keypoints_px", "keypoints_m", "rotations", "shape", "surface", "joints", "depth")
        }


def fit_loss(fit: Fit, batch: Batch, body, weights: LossWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum over all iterations, and each term of the last one (for the log).

    All iterations are posed as one batch of (N + 1) x B bodies.
    """
    rounds, count = len(fit.history), len(batch)
    estimate = _stacked(fit.history)
    per_round = {
        name: term.reshape(rounds, count).mean(1) for name, term in _terms(estimate, batch, body, weights, rounds).items()
    }
    importance = weights.decay ** torch.arange(rounds - 1, -1, -1, device=batch.betas.device, dtype=batch.betas.dtype)
    total = sum(weights.terms[name] * (importance * term).sum() for name, term in per_round.items())
    return weights.scale * total, {name: term[-1].detach() for name, term in per_round.items()}


def _stacked(history: tuple[Estimate, ...]) -> Estimate:
    return Estimate(
        *(
            torch.cat([getattr(estimate, name) for estimate in history])
            for name in ("rotmats", "betas", "weak_perspective", "transl")
        )
    )


def _terms(estimate: Estimate, batch: Batch, body, weights: LossWeights, rounds: int) -> dict[str, Tensor]:
    """Each term with weight, for each of the (N + 1) x B estimates: (N + 1) * B values."""

    def repeated(value: Tensor) -> Tensor:
        return value.repeat(rounds, *(1,) * (value.dim() - 1))

    surface, joints_m = _surface_and_joints(estimate.betas, estimate.rotmats, body, weights)
    with torch.no_grad():
        true_surface, _ = _surface_and_joints(batch.betas, batch.rotmats, body, weights)
        true_surface = repeated(true_surface)
    known_body = repeated(batch.body_weight)
    off_px = _crop_units(joints_m + estimate.transl[:, None], batch, repeated) - repeated(_true_crop_units(batch))
    off_m = (joints_m - joints_m[:, :1]) - repeated(batch.joints_m - batch.joints_m[:, :1])
    joint_weight = repeated(batch.joints_m_weight)
    terms = {
        "keypoints_px": (repeated(batch.joints_px_weight) * _square(off_px, weights.keypoints_px_limit).mean(-1)).mean(-1),
        "keypoints_m": (joint_weight * off_m.square().mean(-1)).mean(-1),
        "rotations": known_body * (estimate.rotmats - repeated(batch.rotmats)).square().mean((1, 2, 3)),
        "shape": known_body * (estimate.betas - repeated(batch.betas)).square().mean(1),
        "surface": known_body * (surface - true_surface).abs().mean((1, 2)),
        "joints": (joint_weight * (off_m.square().sum(-1) + 1e-8).sqrt()).mean(-1),
        "depth": repeated(batch.transl_weight) * _depth_error(joints_m, estimate, batch, repeated),
    }
    return {name: term for name, term in terms.items() if weights.terms[name] > 0}


def _surface_and_joints(betas: Tensor, rotmats: Tensor, body, weights: LossWeights) -> tuple[Tensor, Tensor]:
    if not weights.surface:
        joints_m = body.joints(betas, rotmats)
        return joints_m, joints_m
    if weights.whole_mesh:
        return body.vertices(betas, rotmats), body.joints(betas, rotmats)
    return body.markers_and_joints(betas, rotmats)


def _crop_units(points_m: Tensor, batch: Batch, repeated) -> Tensor:
    """Points of the camera's frame (..., 3) in their crops, -1 .. 1."""
    in_front = torch.cat([points_m[..., :2], points_m[..., 2:].clamp(min=NEAREST_M)], -1)
    points_px = project(in_front, repeated(batch.focal_px), repeated(batch.principal_px))
    return crop_from_image_px(points_px, repeated(batch.center_px), repeated(batch.side_px), 2) - 1


def _true_crop_units(batch: Batch) -> Tensor:
    return crop_from_image_px(batch.joints_px, batch.center_px, batch.side_px, 2) - 1


def _depth_error(joints_m: Tensor, estimate: Estimate, batch: Batch, repeated) -> Tensor:
    depth_m = (joints_m[:, 0, 2] + estimate.transl[:, 2]).clamp(min=NEAREST_M)
    true_depth_m = repeated(batch.joints_m[:, 0, 2]).clamp(min=NEAREST_M)
    return (depth_m / true_depth_m).log().abs()


def _square(value: Tensor, limit: float) -> Tensor:
    """value ** 2, going on as a straight line beyond +-limit."""
    if limit == float("inf"):
        return value.square()
    size = value.abs()
    return torch.where(size < limit, value.square(), 2 * limit * size - limit**2)

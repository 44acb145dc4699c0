"""The place of a person from all views together: one mesh that explains every image.

The network gives each view its own camera, so each view would put the person somewhere else. Their shape, pose and
world orientation are shared already; what is left is one translation. It minimises the reprojection error of the
joints in every view: linear in the translation once each row is multiplied by its depth (direct linear transform,
Hartley and Zisserman, Multiple View Geometry, 12.2), repeated with the new depths and with robust weights
(Cauchy) so that one bad view cannot pull the person away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera

ROUNDS = 8
# Residuals of this share of the person's size in the image are what honest views differ by.
TOLERANCE = 0.08
NEAREST_M = 0.2


@dataclass(frozen=True)
class Fused:
    """Where the views together put a person."""

    transl: np.ndarray  # (3,) m, to be added to the joints that were given
    residual_px: np.ndarray  # (V,) root mean square over the joints, in each view's square-pixel image
    weights: np.ndarray  # (V,) 0 .. 1: how far each view was believed
    spread_m: float  # root mean square of the residuals, carried to the person's depth


def fuse(
    joints_m: np.ndarray,
    seen_px: list[np.ndarray],
    cameras: list[Camera],
    joint_weights: np.ndarray | None = None,
    view_weights: np.ndarray | None = None,
) -> Fused:
    """The translation of joints (24, 3) m, in fixed-frame directions, that best meets seen_px[v] (24, 2).

    `seen_px` are pixels of each camera's square-pixel image; `joint_weights` (V, 24) and `view_weights` (V,) in 0 .. 1.
    One view is enough: the size of the person then gives the depth. At least one view; all finite.
    """
    count = len(cameras)
    rows = CameraRows.of(cameras)
    rotations, origins, focal, principal = rows.rotation, rows.origin_m, rows.focal_px, rows.principal_px
    seen = np.array(seen_px)
    plane = (seen - principal[:, None]) / focal[:, None, None]
    joint_weights = np.ones(plane.shape[:2]) if joint_weights is None else joint_weights
    prior = np.ones(count) if view_weights is None else np.asarray(view_weights, float)
    # From the middle between the cameras: what is not known is drawn to the origin, which may be far away.
    middle = origins.mean(0)
    origins = origins - middle
    # (u r3 - r1) (X + t - c) = 0 and (v r3 - r2) (X + t - c) = 0 for each joint of each view.
    factors = plane[..., None] * rotations[:, None, None, 2] - rotations[:, None, :2]  # (V, J, 2, 3)
    offsets = (factors @ (joints_m[None] - origins[:, None])[..., None])[..., 0]  # (V, J, 2)
    sizes_px = size_px(seen)
    tolerance_px = TOLERANCE * sizes_px
    trust, depth, transl = prior.copy(), np.ones(plane.shape[:2]), np.zeros(3)

    def residuals_px() -> np.ndarray:
        error_px = (inside[..., :2] / depth[..., None] - plane) * focal[:, None, None]
        return np.sqrt((joint_weights * (error_px**2).sum(-1)).sum(1) / np.maximum(joint_weights.sum(1), 1e-9))

    for _ in range(ROUNDS):
        weight = (trust * focal)[:, None] ** 2 * joint_weights / depth**2
        weighted = (factors * weight[..., None, None]).reshape(-1, 3)
        normal = weighted.T @ factors.reshape(-1, 3)
        right = -offsets.reshape(-1) @ weighted
        previous, transl = transl, np.linalg.solve(normal + 1e-9 * normal.trace() * np.eye(3), right)
        inside = (joints_m[None] + transl - origins[:, None]) @ np.swapaxes(rotations, 1, 2)
        depth = np.maximum(inside[..., 2], NEAREST_M)
        if count > 2:  # two views cannot tell which of them is wrong
            # The scale shrinks to the tolerance as the bad view loses its say, not before.
            residual = residuals_px()
            scale = np.maximum(tolerance_px, np.median(residual / sizes_px) * sizes_px)
            trust = prior / (1 + (residual / scale) ** 2)
        if np.abs(transl - previous).max() < 1e-5:
            break
    residual = residuals_px()
    metres = residual * depth.mean(1) / focal
    spread = float(np.sqrt((trust * metres**2).sum() / max(trust.sum(), 1e-9)))
    return Fused(transl + middle, residual, trust / max(prior.max(), 1e-9), spread)

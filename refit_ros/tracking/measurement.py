"""How far one camera's estimate of a body lies from where a person was predicted, in sigmas.

A view measures the bearing of the pelvis and the logarithm of its depth, and the joints about the pelvis. Along the ray it
errs by the person's unknown height, whoever looks; across it by far less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.depth_scale import DepthScale
from refit_ros.tracking.root_state import RootState

NEAREST_M = 0.1  # what is nearer to the camera, or behind it, has no bearing
FREEDOM = 4.0  # of Student's t: mistakes come in all sizes
FARTHEST = 1e6


@dataclass(frozen=True)
class PredictedBody:
    """A person before a set is looked at."""

    state: RootState
    joints_m: np.ndarray  # (24, 3) m, fixed frame
    unseen_s: float  # since the pose was seen
    depth: DepthScale = DepthScale()


def distance2(body: PredictedBody, joints_camera_m: np.ndarray, camera: Camera, config: TrackerConfig) -> float:
    """Squared Mahalanobis distance of a view's joints (24, 3) m, in its camera's optical frame, from a predicted body.

    Four degrees of freedom: bearing (2), log depth (1), and the mean distance of the joints about the pelvis (1).
    """
    seen, expected = joints_camera_m, camera.to_camera(body.joints_m)
    if min(seen[0, 2], expected[0, 2]) < NEAREST_M:
        return FARTHEST
    depth_m = expected[0, 2]
    across_m = (seen[0, :2] / seen[0, 2] - expected[0, :2] / depth_m) * depth_m
    off = np.array([*across_m, math.log(seen[0, 2] / depth_m) - body.depth.mean])
    # Derivatives of what is compared (m, m, 1) by the place of the pelvis in the camera's frame.
    by_place = np.concatenate([across_rays(expected[0]), [[0, 0, 1 / depth_m]]])
    place = camera.rotation @ body.state.position_covariance_m2 @ camera.rotation.T
    sigmas = np.array([config.bearing_sigma_m, config.bearing_sigma_m, body.depth.sigma(config)])
    root = float(off @ np.linalg.solve(by_place @ place @ by_place.T + np.diag(sigmas**2), off))
    return root + pose_distance2(seen, expected, body.unseen_s, config)


def across_rays(places_camera_m: np.ndarray) -> np.ndarray:
    """(..., 2, 3): how far places (..., 3) m in a camera's frame move across its rays, right and down, as they move.

    How far away they are is not seen in the image. What is nearer than NEAREST_M is taken to be there.
    """
    places = np.asarray(places_camera_m, float)
    depth = places[..., 2:]
    across = np.zeros((*places.shape[:-1], 2, 3))
    across[..., 0, 0] = across[..., 1, 1] = 1
    across[..., 2] = -places[..., :2] / np.where(np.abs(depth) < NEAREST_M, NEAREST_M, depth)
    return across


def sigma_across_m(roots: Sequence[RootState], cameras: CameraRows) -> np.ndarray:
    """(V, P) one sigma of how far P people may be from where they should, across each camera's rays."""
    if not roots:
        return np.zeros((len(cameras), 0))
    across = across_rays(cameras.to_camera(np.stack([root.position_m for root in roots]))) @ cameras.rotation[:, None]
    known = across @ np.stack([root.position_covariance_m2 for root in roots])
    return np.sqrt((known * across).sum((2, 3)) / 2)


def pose_distance2(joints_m: np.ndarray, before_m: np.ndarray, step_s: float, config: TrackerConfig) -> float:
    """Squared, in sigmas: how far joints (24, 3) m lie from those of `step_s` seconds before, mean, pelvis on pelvis."""
    apart_m = np.sqrt(((joints_m - joints_m[0] - before_m + before_m[0]) ** 2).sum(-1)).mean()
    return float(apart_m / math.hypot(config.pose_sigma_m, config.pose_change_m_s * step_s)) ** 2


def surprise(squared: float, dimensions: int) -> float:
    """-log of Student's t at a squared Mahalanobis distance, less its value at 0: no single mistake counts without end."""
    return float(surprises(np.asarray(squared), dimensions))


def surprises(squared: np.ndarray, dimensions: int) -> np.ndarray:
    """As `surprise`, of many."""
    return (FREEDOM + dimensions) / 2 * np.log1p(squared / FREEDOM)


def belief(squared: np.ndarray) -> np.ndarray:
    """0 .. 1: how far measurements at these squared distances are believed beside others, as Student's t weighs them."""
    return 1 / (1 + np.asarray(squared) / FREEDOM)

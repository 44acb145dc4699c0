"""What a look at a person says about how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera
from refit_ros.estimation.solve import FusedEstimate

COMMON_MISFIT = 0.15  # at which the views' agreement counts half


@dataclass(frozen=True)
class Evidence:
    """What the last look at a person gave; kept while they are out of sight."""

    views: int
    spread_m: float
    update_m: np.ndarray  # (24,)
    depth_m: float
    confidence: float  # 0 .. 1: how well the views agree
    crowded: float = 0.0  # 0 .. 1: share of their box that somebody else's covers, mean over the views
    cameras_m: np.ndarray | None = None  # (V, 3) m: where the cameras stand, in the fixed frame; None: not known


def evidence(solved: FusedEstimate, cameras: Sequence[Camera]) -> Evidence:
    """Of a person solved in this set."""
    used = [cameras[one.crop.camera] for one in solved.views]
    return Evidence(
        int((solved.fused.weights > 0.2).sum()),
        solved.fused.spread_m,
        np.array([one.last_update_m for one in solved.views]).mean(0),
        fmean(camera.to_camera(solved.pose.joints)[:, 2].mean() for camera in used),
        1 / (1 + (misfit(solved) / COMMON_MISFIT) ** 2),
        fmean(one.crop.overlap for one in solved.views),
        np.array([camera.fixed_from_camera[:3, 3] for camera in used]),
    )


def misfit(solved: FusedEstimate) -> float:
    """Residual over the person's size in the image, weighted over the views; 0 for a single view."""
    sizes = size_px(np.array([one.joints_px for one in solved.views]))
    weights = solved.fused.weights
    return float((weights * solved.fused.residual_px / sizes).sum() / max(weights.sum(), 1e-9))

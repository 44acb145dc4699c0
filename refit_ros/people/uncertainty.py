"""How far each joint may be from the truth, one sigma in metres.

sigma_j^2 = share_j^2 (floor^2 + (spread gain * spread)^2 + (update gain * last update_j)^2 + (depth gain * depth)^2),
with one set of constants for one view, for two, and for three and more. spread: how far the views disagree about the
place; last update: how far the last iteration still moved the joint. Sigma is the distance from the estimate within
which 68 % of the true joints lie.

The constants come from held-out synthetic scenes with the embedded weights, by
    python -m refit_ros.people.calibrate_uncertainty
which prints this table anew.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COASTING_M_S = 0.5   # growth of sigma for each second without a look
LARGEST_M = 5.0


@dataclass(frozen=True)
class Constants:
    """Of one number of views."""
    floor_m: float
    spread_gain: float
    update_gain: float
    depth_gain: float


CONSTANTS = {
    1: Constants(0.05, 1.0, 1.0, 0.05),
    2: Constants(0.05, 1.0, 1.0, 0.0),
    3: Constants(0.04, 1.0, 1.0, 0.0),
}
JOINT_SHARE = np.ones(24)


def joint_stddev(views: int, spread_m: float, update_m: np.ndarray, depth_m: float, unseen_s: float = 0.0) -> np.ndarray:
    """(24,) m from the number of views, their spread, the last update (24,) m and the mean depth."""
    constants = CONSTANTS[min(max(views, 1), 3)]
    variance = (constants.floor_m ** 2 + (constants.spread_gain * spread_m) ** 2
                + (constants.update_gain * update_m) ** 2 + (constants.depth_gain * depth_m) ** 2)
    return np.minimum(JOINT_SHARE * np.sqrt(variance) + COASTING_M_S * unseen_s, LARGEST_M)

"""How far each joint may be from the truth, one sigma in metres.

sigma_j^2 = share_j^2 (floor^2 + (spread gain * spread)^2 + (update gain * last update_j)^2 + (depth gain * depth)^2),
with one set of constants for one view, for two, and for three and more. spread: how far the views disagree about the
place; last update: how far the last iteration still moved the joint. Sigma is the distance from the estimate within
which 68 % of the true joints lie.

The constants come from held-out synthetic scenes with the embedded weights, by
    python -m refit_ros.people.calibrate_uncertainty --seeds 2 --true-boxes
which prints this table anew. Of another seed's scenes 64 to 68 % of the true joints lay within one sigma and 95 to 97 %
within two.
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
    1: Constants(floor_m=0.1400, spread_gain=2.2866, update_gain=1.5438, depth_gain=0.0158),
    2: Constants(floor_m=0.0252, spread_gain=1.0300, update_gain=0.6738, depth_gain=0.0023),
    3: Constants(floor_m=0.0232, spread_gain=0.8151, update_gain=0.5380, depth_gain=0.0012),
}
# Limbs' ends err more than the trunk.
JOINT_SHARE = np.array([0.82, 0.79, 0.89, 0.82, 0.88, 0.94, 0.81, 1.01, 1.06, 0.81, 1.06, 1.12, 0.84, 0.79, 0.88, 0.85,
                        0.78, 0.99, 0.90, 1.24, 1.11, 1.43, 1.22, 1.49])


def joint_stddev(views: int, spread_m: float, update_m: np.ndarray, depth_m: float, unseen_s: float = 0.0) -> np.ndarray:
    """(24,) m from the number of views, their spread, the last update (24,) m and the mean depth."""
    constants = CONSTANTS[min(max(views, 1), 3)]
    variance = (constants.floor_m ** 2 + (constants.spread_gain * spread_m) ** 2
                + (constants.update_gain * update_m) ** 2 + (constants.depth_gain * depth_m) ** 2)
    return np.minimum(JOINT_SHARE * np.sqrt(variance) + COASTING_M_S * unseen_s, LARGEST_M)

"""How far each joint may be from the truth, one sigma in metres.

sigma_j^2 = share_j^2 (floor^2 + (spread gain * spread)^2 + (update gain * last update_j)^2 + (depth gain * depth)^2
                       + (crowd gain * crowded)^2),
with one set of constants for one view, for two, and for three and more. spread: how far the views disagree about the
place; last update: how far the last iteration still moved the joint; crowded: which share of their boxes other people's
cover. Sigma is the distance from the estimate within which 68 % of the true joints lie.

The constants come from synthetic scenes of ten seeds with the embedded weights, by
    python -m refit_ros.evaluation.calibrate_uncertainty --seeds 15
which prints this table anew. Of the five seeds held out, 57 % of the true joints lay within one sigma and 89 % within two
where one camera sees a person, 70 and 96 % of two, 68 and 98 % of more. Those of one camera, whose error is that of
the person's height and so the same for all their joints and all the time, are widened by an eighth here.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from refit_ros.estimation.evidence import Evidence

COASTING_M_S = 0.5  # growth of sigma for each second without a look
LARGEST_M = 5.0


@dataclass(frozen=True)
class Constants:
    """Of one number of views."""

    floor_m: float
    spread_gain: float
    update_gain: float
    depth_gain: float
    crowd_gain: float


CONSTANTS = {
    1: Constants(floor_m=0.1703, spread_gain=11.4283, update_gain=0.0, depth_gain=0.0, crowd_gain=0.0),
    2: Constants(floor_m=0.0231, spread_gain=1.4247, update_gain=0.6489, depth_gain=0.0, crowd_gain=0.0),
    3: Constants(floor_m=0.0090, spread_gain=1.2354, update_gain=0.5812, depth_gain=0.0027, crowd_gain=0.0401),
}
_GAINS = {views: np.array(astuple(constants)) for views, constants in CONSTANTS.items()}  # (5,) as `terms` has them
# Limbs' ends err more than the trunk.
JOINT_SHARE = np.array(
    [
        0.63,
        0.65,
        0.67,
        0.64,
        0.82,
        0.84,
        0.66,
        1.04,
        1.10,
        0.67,
        1.11,
        1.18,
        0.75,
        0.72,
        0.74,
        0.78,
        0.81,
        0.85,
        1.02,
        1.04,
        1.47,
        1.38,
        1.68,
        1.58,
    ]
)


def terms(facts: Evidence) -> np.ndarray:
    """(24, 5): what the constants are the gains of, for each joint."""
    columns = np.empty((24, 5))
    columns[:] = 1.0, facts.spread_m, 0.0, facts.depth_m, facts.crowded
    columns[:, 2] = facts.update_m
    return columns


def joint_stddev(facts: Evidence, unseen_s: float = 0.0) -> np.ndarray:
    """(24,) m from what the last look gave, and the seconds since then."""
    variance = ((terms(facts) * _GAINS[min(max(facts.views, 1), 3)]) ** 2).sum(1)
    return np.minimum(JOINT_SHARE * np.sqrt(variance) + COASTING_M_S * unseen_s, LARGEST_M)

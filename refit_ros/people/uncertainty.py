"""How far each joint may be from the truth, one sigma in metres.

sigma_j^2 = share_j^2 (floor^2 + (spread gain * spread)^2 + (update gain * last update_j)^2 + (depth gain * depth)^2
                       + (crowd gain * crowded)^2),
with one set of constants for one view, for two, and for three and more. spread: how far the views disagree about the
place; last update: how far the last iteration still moved the joint; crowded: which share of his boxes other people's
cover. Sigma is the distance from the estimate within
which 68 % of the true joints lie.

The constants come from held-out synthetic scenes with the embedded weights, by
    python -m refit_ros.people.calibrate_uncertainty --seeds 2
which prints this table anew. Of another seed's scenes 59 to 62 % of the true joints then lay within one sigma and 93 to
97 % within two; the gains below are what it printed, widened by 4 to 7 %.
"""
from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from refit_ros.people.evidence import Evidence

COASTING_M_S = 0.5   # growth of sigma for each second without a look
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
    1: Constants(floor_m=0.1483, spread_gain=8.9197, update_gain=1.1242, depth_gain=0.0000, crowd_gain=0.0500),
    2: Constants(floor_m=0.0219, spread_gain=0.5721, update_gain=0.5242, depth_gain=0.0036, crowd_gain=0.0500),
    3: Constants(floor_m=0.0156, spread_gain=0.5573, update_gain=0.4762, depth_gain=0.0030, crowd_gain=0.0500),
}
# Limbs' ends err more than the trunk.
JOINT_SHARE = np.array([0.71, 0.72, 0.76, 0.71, 0.87, 0.86, 0.72, 0.98, 1.00, 0.72, 1.05, 1.07, 0.75, 0.74, 0.78, 0.78,
                        0.81, 0.89, 0.97, 1.18, 1.24, 1.57, 1.41, 1.74])


def terms(facts: Evidence) -> np.ndarray:
    """(24, 5): what the constants are the gains of, for each joint."""
    columns = (1.0, facts.spread_m, facts.update_m, facts.depth_m, facts.crowded)
    return np.stack([np.broadcast_to(np.asarray(column, float), 24) for column in columns], 1)


def joint_stddev(facts: Evidence, unseen_s: float = 0.0) -> np.ndarray:
    """(24,) m from what the last look gave, and the seconds since then."""
    gains = np.array(astuple(CONSTANTS[min(max(facts.views, 1), 3)]))
    variance = (terms(facts) * gains) ** 2 @ np.ones(5)
    return np.minimum(JOINT_SHARE * np.sqrt(variance) + COASTING_M_S * unseen_s, LARGEST_M)

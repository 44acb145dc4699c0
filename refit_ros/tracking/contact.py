"""People do not walk through each other: predictions that would are stopped where the two touch.

Each person is predicted by themself, so two who walk up to each other and stop would be predicted to have changed places,
and whoever was looked for there would be found in the other one's body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.root_state import RootState, predict

_NONE_M = 1e-6  # two in one place: nobody knows which way they are apart


def predict_together(
    states: Sequence[RootState], solid: Sequence[bool], stamp_s: float, config: TrackerConfig
) -> list[RootState]:
    """Everybody at another time, those who are `solid` not through each other."""
    after = [predict(state, stamp_s, config) for state in states]
    which = [index for index, each in enumerate(solid) if each]
    apart = kept_apart([states[index] for index in which], [after[index] for index in which], config)
    for index, state in zip(which, apart):
        after[index] = state
    return after


def kept_apart(before: Sequence[RootState], after: Sequence[RootState], config: TrackerConfig) -> list[RootState]:
    """The predictions `after` of people who were last known to be as in `before`, none of whom has passed through another.

    Two who touch, or would, go on as one from there: together, as fast as both on the average. How far they may be from
    there is as uncertain as before.
    """
    kept = list(after)
    for one, other in combinations(range(len(kept)), 2):
        from_m = before[other].position_m - before[one].position_m
        to_m = kept[other].position_m - kept[one].position_m
        touching_m = _touching(from_m, to_m, config.body_depth_m)
        if touching_m is None:
            continue
        together = np.concatenate([touching_m, np.zeros(3)])
        change = (together - (kept[other].mean - kept[one].mean)) / 2
        kept[one] = replace(kept[one], mean=kept[one].mean - change)
        kept[other] = replace(kept[other], mean=kept[other].mean + change)
    return kept


def _touching(from_m: np.ndarray, to_m: np.ndarray, contact_m: float) -> np.ndarray | None:
    """From one person to the other (3,): where on the straight way from `from_m` to `to_m` they touch; None: nowhere.

    Who is nearer than that already comes no nearer.
    """
    apart_m = float(np.linalg.norm(from_m))
    if apart_m < _NONE_M:
        return None
    contact_m, way = min(contact_m, apart_m), to_m - from_m
    # The first s with |from + s way| = contact.
    a, b, c = float(way @ way), float(from_m @ way), apart_m**2 - contact_m**2
    if b >= 0 or b * b <= a * c:
        return None
    s = (-b - np.sqrt(b * b - a * c)) / a
    return from_m + s * way if s < 1 else None

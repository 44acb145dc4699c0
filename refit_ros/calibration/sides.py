"""Whose left a camera took for right: a back that is taken for a front, for some moments at a time.

The other cameras tell it: such a moment's rays meet theirs only once its left and right have been exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refit_ros.calibration.pairs import FEWEST_POINTS, FITS, SEEN, placed
from refit_ros.calibration.people import Someone
from refit_ros.calibration.types import Track

CLEARER = 2.0  # times nearer the rays must meet once exchanged


def other_sides(names: Sequence[str]) -> np.ndarray:
    """(K,) int: of each point, its fellow on the other side, or itself."""
    fellow = {f"{side}_": f"{other}_" for side, other in (("left", "right"), ("right", "left"))}

    def index(name: str) -> int:
        other = next((fellow[side] + name.removeprefix(side) for side in fellow if name.startswith(side)), name)
        return names.index(other if other in names else name)

    return np.array([index(name) for name in names])


def righted(someone: Someone, poses: np.ndarray, others: np.ndarray) -> Someone:
    """The same, left and right exchanged at moments at which that is how a camera's rays meet the others'.

    poses (C, 4, 4) camera_from_world; others: as `other_sides` gives them. Two cameras that differ are brought to one; which
    of them was right they do not tell, and for where cameras stand it is the same.
    """
    tracks = list(someone.tracks)
    for view, track in enumerate(tracks):
        turned = _exchanged(track, others, np.ones(len(track.moments), bool))
        as_seen = _off(tracks, view, poses[someone.cameras], others)
        as_turned = _off([*tracks[:view], turned, *tracks[view + 1 :]], view, poses[someone.cameras], others)
        wrong = (as_seen > FITS) & (as_turned < FITS) & (CLEARER * as_turned < as_seen)
        tracks[view] = _exchanged(track, others, wrong)
    return replace(someone, tracks=tuple(tracks))


def _exchanged(track: Track, others: np.ndarray, moments: np.ndarray) -> Track:
    """moments (T,) bool."""

    def of(values: np.ndarray) -> np.ndarray:
        return np.where(moments.reshape(-1, *[1] * (values.ndim - 1)), values[:, others], values)

    return replace(track, rays=of(track.rays), weight=of(track.weight), points_m=of(track.points_m))


def _off(tracks: list[Track], view: int, poses: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T,) tolerances: how far a view's rays pass points that have another side, in the median; inf where too few."""
    points, own = placed(poses, tracks), tracks[view]
    seen = points @ poses[view][:3, :3].T + poses[view][:3, 3]
    away = np.linalg.norm(seen[..., :2] / np.maximum(seen[..., 2:], 0.05) - own.rays, axis=-1) / own.tolerance[:, None]
    shared = np.sum([track.weight > SEEN for track in tracks], axis=0) > 1
    usable = (own.weight > SEEN) & shared & (others != np.arange(len(others)))
    return np.array([np.median(row[use]) if use.sum() >= FEWEST_POINTS else np.inf for row, use in zip(away, usable)])

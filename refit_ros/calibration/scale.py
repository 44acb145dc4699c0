"""What rays alone do not tell: how large everything is, and where up is. The people's bodies tell both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refit_ros.calibration.pairs import SEEN, placed
from refit_ros.calibration.people import Someone

_LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "shoulder"))
BONES = tuple((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _LIMBS)
HIGH, LOW = ("left_shoulder", "right_shoulder"), ("left_ankle", "right_ankle")
FLOOR_SHARE = 5  # per cent of the moments at which the lowest point may lie below the floor
FEWEST_BONES = 3  # of a person that must be seen at once


def size_of(people: Sequence[Someone], poses: np.ndarray, names: Sequence[str]) -> float:
    """By how much everything must grow so that people are as large as each camera alone takes them to be.

    names: of the points. The middle of all people, cameras and moments. Raises ValueError where no bone is seen.
    """
    bones = np.array([(names.index(a), names.index(b)) for a, b in BONES if a in names and b in names], int)
    bones = bones.reshape(-1, 2)
    ratios = []
    for someone in people:
        points, seen = placed(poses[someone.cameras], someone.tracks), someone.seen().any(0)
        known = seen[:, bones].all(2)  # (T, B)
        there = _lengths(points, bones)
        for track in someone.tracks:
            guessed = _lengths(track.points_m, bones)
            use = known & (track.weight > 0).any(1)[:, None]
            enough = use.sum(1) >= FEWEST_BONES
            sums = [np.where(use, value, 0).sum(1)[enough] for value in (guessed, there)]
            ratios.append(sums[0] / np.maximum(sums[1], 1e-9))
    every = np.concatenate(ratios) if ratios else np.zeros(0)
    if not len(every):
        raise ValueError("no arm, leg or trunk of anybody is seen by two cameras: step back until whole people are seen")
    return float(np.median(every))


def _lengths(points: np.ndarray, bones: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, bones[:, 0]] - points[:, bones[:, 1]], axis=2)


def level(people: Sequence[Someone], poses: np.ndarray, names: Sequence[str], held: int) -> np.ndarray:
    """(4, 4) m level_from_world: z up as people stand, the floor at 0, the origin below camera `held`, x where it looks.

    Up is the middle of the directions from ankles to shoulders: people who walk to and fro lean by nothing on average.
    """
    high, low = ([names.index(name) for name in pair] for pair in (HIGH, LOW))
    axes, lowest = [], []
    for someone in people:
        points, seen = placed(poses[someone.cameras], someone.tracks), someone.seen().any(0)
        whole = seen[:, high + low].all(1)
        axes.append((points[:, high].mean(1) - points[:, low].mean(1))[whole])
        lowest.append(np.where(seen[..., None], points, np.nan)[whole])
    axis, bodies = np.concatenate(axes), np.concatenate(lowest)
    if not len(axis):
        raise ValueError("nobody is seen from shoulders to ankles, so that up is unknown: leave --frame out, or step back")
    up = np.median(axis / np.linalg.norm(axis, axis=1, keepdims=True), axis=0)
    up /= np.linalg.norm(up)
    floor_m = np.percentile(np.nanmin(bodies @ up, axis=1), FLOOR_SHARE)
    world_from_camera = np.linalg.inv(poses[held])
    ahead = world_from_camera[:3, 2]
    if np.linalg.norm(ahead - up * (ahead @ up)) < 0.1:  # it looks straight down: its upper edge says where ahead is
        ahead = -world_from_camera[:3, 1]
    x = ahead - up * (ahead @ up)
    x /= np.linalg.norm(x)
    result = np.eye(4)
    result[:3, :3] = np.stack([x, np.cross(up, x), up])
    place = world_from_camera[:3, 3]
    result[:3, 3] = -result[:3, :3] @ (place - up * (place @ up - floor_m))
    return result


def places(people: Sequence[Someone], poses: np.ndarray) -> np.ndarray:
    """(n, 3) m: the middle of each person at each moment, of what is seen of them."""
    found = [np.zeros((0, 3))]
    for someone in people:
        points = placed(poses[someone.cameras], someone.tracks)
        weight = np.stack([track.weight > SEEN for track in someone.tracks]).sum(0) > 1
        some = weight.any(1)
        total = np.maximum(weight.sum(1), 1)[:, None]
        found.append(((points * weight[..., None]).sum(1) / total)[some])
    return np.concatenate(found)

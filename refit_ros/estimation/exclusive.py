"""One body is one person's: two people who were taken for the same body, in one camera or each in another.

When one person hides another, the network may see the front one in the crops of both; and somebody who was never there
lives on the bodies of others. Either way two estimates lie on one body in a picture, and at most one of them is right.
And a person may come to be followed as two, each of them in cameras in which the other is not looked at.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera
from refit_ros.estimation.solve import Own, Pose, Solved, off_by
from refit_ros.tracking.match import Candidate, pair_gains

SAME_BODY = 0.15  # of the size in the picture: joints this near on average are those of one body
CLEARLY_NEARER = 0.08  # likewise: by so much one must have been expected nearer to it than the other
ONE_POSE_M = 0.12  # joints this near on average, pelvis on pelvis, are those of one pose
ONE_PLACE_M = 0.8  # farther apart than this nobody is seen double
SETS = 3  # in a row that two must look like one


def borrowed_views(
    people: dict[int, Solved], expected: dict[int, Pose], standing: dict[int, float], cameras: list[Camera]
) -> dict[int, set[int]]:
    """Of each person (by number) the positions in `own` of those views whose body is somebody else's.

    It is his who was expected nearer to it; where both were, his of higher `standing` (for how long he has been followed).
    """
    borrowed: dict[int, set[int]] = {}
    views: dict[int, list[tuple[int, int, Own]]] = {}
    for number, person in people.items():
        for position, one in enumerate(person.own):
            views.setdefault(one.look.camera, []).append((number, position, one))
    for camera, here in views.items():
        for index, first in enumerate(here):
            for second in here[index + 1 :]:
                if _apart(first[2], second[2]) < SAME_BODY:
                    off = [off_by(one, expected[number], cameras[camera]) for number, _, one in (first, second)]
                    if abs(off[0] - off[1]) < CLEARLY_NEARER:
                        off = [-standing[first[0]], -standing[second[0]]]
                    loser = first if off[0] > off[1] else second
                    borrowed.setdefault(loser[0], set()).add(loser[1])
    return borrowed


class Twins:
    """Finds people who are followed as two: no camera in common, rays that meet, one pose, for some sets in a row."""

    def __init__(self) -> None:
        self._count: dict[tuple[Hashable, Hashable], int] = {}

    def found(self, people: dict[Hashable, Solved], cameras: list[Camera]) -> list[tuple[Hashable, Hashable]]:
        """Pairs of keys of `people`, who are all those seen in this set."""
        keys = list(people)
        alike = [
            (first, second)
            for index, first in enumerate(keys)
            for second in keys[index + 1 :]
            if _alike(people[first], people[second], cameras)
        ]
        self._count = {pair: self._count.get(pair, 0) + 1 for pair in alike}
        return [pair for pair, count in self._count.items() if count >= SETS]


def _alike(first: Solved, second: Solved, cameras: list[Camera]) -> bool:
    a, b = first.pose.joints, second.pose.joints
    if np.linalg.norm(a[0] - b[0]) > ONE_PLACE_M or np.linalg.norm(a - a[0] - b + b[0], axis=-1).mean() > ONE_POSE_M:
        return False
    seen = [{one.look.camera for one in person.own} for person in (first, second)]
    if seen[0] & seen[1]:
        return False
    candidates = [Candidate(one.look.camera, one.joints_m) for person in (first, second) for one in person.own]
    across = pair_gains(candidates, cameras)[: len(first.own), len(first.own) :]
    return bool((across > 0).all())


def _apart(first: Own, second: Own) -> float:
    """Mean distance of the joints, in sizes of the smaller body."""
    distance_px = np.linalg.norm(first.joints_px - second.joints_px, axis=-1).mean()
    return float(distance_px / min(size_px(first.joints_px), size_px(second.joints_px)))

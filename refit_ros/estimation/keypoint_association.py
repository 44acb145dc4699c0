"""Who is whom among the landmarks of one set: camera by camera, each person once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.detection.landmarks import Landmarks
from refit_ros.detection.rows import joined
from refit_ros.estimation.keypoint_expected import Expected, assign, believed, beside_others, clearness, heard
from refit_ros.estimation.keypoint_tracks import SIDE_BY_SIDE, Followed, Seen, where_expected
from refit_ros.estimation.lifecycle import SAME_PLACE_M
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.root_state import RootState


def assigned(
    followed: Sequence[Followed],
    roots: Sequence[RootState],
    cameras: CameraRows,
    found: Sequence[Landmarks],
    expected: Sequence[Sequence[Expected | None]],
    config: TrackerConfig,
) -> tuple[dict[int, list[Seen]], list[Seen]]:
    """What shows each of the followed, by index, and what shows nobody of them.

    What one camera says of somebody whose place is vague moves where the next one expects them, so that the views given to
    a person agree with each other (as `pose_association.associate`). Where it is clearest who is whom is asked first.
    """
    theirs: list[tuple[int, Seen, Expected]] = []
    left: list[Seen] = []
    states, places = list(roots), [list(where) for where in expected]
    views = list(range(len(cameras)))
    if any(there is not None and there.is_vague for where in expected for there in where):  # else the order says nothing
        views.sort(key=lambda view: -clearness(found[view], places[view], config))
    for turn, view in enumerate(views):
        whose = assign(found[view], places[view], config)
        for index in range(len(found[view])):
            one = Seen(cameras.cameras[view], view, found[view][index : index + 1])
            number, exchanged = whose.get(index, (None, False))
            there = None if number is None else places[view][number]
            if number is None or there is None:
                left.append(one)
                continue
            one = one.on_side(exchanged)
            theirs.append((number, one, there))
            rest = views[turn + 1 :]
            if not there.is_vague or not rest:
                continue
            states[number] = heard(states[number], there, one.found.place_px[0], one.camera, config)
            anew = where_expected([followed[number]], [states[number]], cameras[rest], config)
            for other, (place,) in zip(rest, anew):
                places[other][number] = place
                places[other] = beside_others(places[other], config)
    groups: dict[int, list[Seen]] = {}
    if theirs:
        belief = believed([there for _, _, there in theirs], joined([one.found for _, one, _ in theirs]).place_px)
        for (number, one, _), own in zip(theirs, belief):
            groups.setdefault(number, []).append(replace(one, believed=own))
    return groups, sorted(left, key=lambda one: one.view)


def taken_for_two(seen_now: Sequence[tuple[Followed, Sequence[Seen]]]) -> set[int]:
    """Keys of those who stand nearer to somebody who was seen more often than two people can, and whom cameras have not
    shown beside them: they are that person, whom the other cameras show. Counts who is shown beside whom."""
    for (one, own), (other, others) in combinations(seen_now, 2):
        if {each.view for each in own} & {each.view for each in others}:
            one.beside[other.key] += 1
            other.beside[one.key] += 1
    double: set[int] = set()
    for one, other in combinations(sorted((each for each, _ in seen_now), key=lambda each: -each.hits), 2):
        near = np.linalg.norm(one.root.position_m - other.root.position_m) < SAME_PLACE_M
        if near and one.beside[other.key] < SIDE_BY_SIDE and one.key not in double:
            double.add(other.key)
    return double

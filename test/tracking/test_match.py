"""Who is whom in which camera, from the rays of the joints."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ring

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.match import Candidate, match


def crowd(people: int, count: int, seed: int, missing: float = 0.0, pixels: float = 3.0, depth: float = 0.12):
    """Candidates of all people in all cameras with errors of a single view, shuffled; and who they are."""
    rng = np.random.default_rng(seed)
    cameras = [Camera(np.zeros((1, 1, 3), np.uint8), calibration, 0.0, pose, None) for calibration, pose in ring(count, 6.0)]
    places: list[np.ndarray] = []
    while len(places) < people:
        place = np.array([*rng.uniform(-2.5, 2.5, 2), 0.95])
        if all(np.linalg.norm(place - other) > 0.6 for other in places):
            places.append(place)
    found = []
    for number, place in enumerate(places):
        joints = rng.normal(0, [0.2, 0.2, 0.5], (24, 3)) + place
        for index, camera in enumerate(cameras):
            if rng.random() < missing:
                continue
            points = camera.to_camera(joints) * (1 + rng.normal(0, depth))
            points[:, :2] += rng.normal(0, pixels, 2) / 500 * points[:, 2:] + rng.normal(0, 0.02, (24, 2))
            found.append((number, Candidate(index, points)))
    order = rng.permutation(len(found))
    return [found[i][1] for i in order], [found[i][0] for i in order], cameras


def wrong(groups, who) -> int:
    """Pairs of candidates that are put together and are not the same person."""
    return sum(who[a] != who[b] for group in groups for a in group for b in group if a < b)


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("people", [0, 1, 2, 5])
def test_everybody_is_found_once(count, people):
    candidates, who, cameras = crowd(people, count, seed=10 * people + count)
    groups = match(candidates, cameras, DEFAULT)
    assert sorted(i for group in groups for i in group) == list(range(len(candidates)))
    assert wrong(groups, who) == 0
    if count > 1:
        assert len(groups) == people


def test_twenty_people_before_eight_cameras():
    candidates, who, cameras = crowd(20, 8, seed=5)
    groups = match(candidates, cameras, DEFAULT)
    assert wrong(groups, who) == 0 and len(groups) == 20


@pytest.mark.parametrize("seed", range(5))
def test_with_a_third_of_the_detections_missing(seed):
    candidates, who, cameras = crowd(5, 4, seed, missing=0.33)
    groups = match(candidates, cameras, DEFAULT)
    assert wrong(groups, who) == 0


def test_never_two_of_one_camera_in_a_group():
    candidates, _, cameras = crowd(6, 3, seed=3)
    twice = candidates + candidates
    for group in match(twice, cameras, DEFAULT):
        views = [twice[i].camera for i in group]
        assert len(views) == len(set(views))


def test_cameras_that_face_each_other():
    """The rays of a person between two such cameras nearly coincide: only depth can tell people in line apart."""
    ((calibration, pose),) = ring(1)
    other = pose.copy()
    other[:3, :3] = pose[:3, :3] @ np.diag([-1, 1, -1])
    other[:3, 3] = pose[:3, 3] + 8 * pose[:3, 2]
    cameras = [Camera(np.zeros((1, 1, 3), np.uint8), calibration, 0.0, p, None) for p in (pose, other)]
    rng = np.random.default_rng(0)
    candidates, who = [], []
    for number, along in enumerate((2.5, 6.0)):
        joints = pose[:3, 3] + along * pose[:3, 2] + rng.normal(0, 0.3, (24, 3))
        for index, camera in enumerate(cameras):
            candidates.append(Candidate(index, camera.to_camera(joints)))
            who.append(number)
    groups = match(candidates, cameras, DEFAULT)
    assert wrong(groups, who) == 0 and len(groups) == 2


def test_two_who_stand_close_are_told_apart_by_their_pose():
    """Nearer to each other than the rays err: only whose arms are up tells who is whom."""
    rng = np.random.default_rng(4)
    cameras = [Camera(np.zeros((1, 1, 3), np.uint8), calibration, 0.0, pose, None) for calibration, pose in ring(2, 4.0)]
    down = rng.normal(0, [0.1, 0.25, 0.4], (24, 3))
    down[0], down[16:] = 0, [0.0, 0.3, 0.1]
    up = down.copy()
    up[16:] = [0.0, 0.3, 0.7]
    left, right = np.array([[-0.04, 0.0, 0.95], [0.04, 0.0, 0.95]])
    # The second camera errs by the distance between them.
    seen = ((0, down + left), (0, up + right), (1, up + left), (1, down + right))
    candidates = [Candidate(camera, cameras[camera].to_camera(joints)) for camera, joints in seen]
    assert sorted(map(sorted, match(candidates, cameras, DEFAULT))) == [[0, 3], [1, 2]]

"""Who is new, of whom each camera may see another one best: rays that meet are not yet one person."""

import numpy as np
import pytest
import torch

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.camera.views import Camera
from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation import keypoint_newcomers
from refit_ros.estimation.keypoint_newcomers import EXPLAINED_M, grouped, parted, unexplained_m
from refit_ros.estimation.keypoint_tracks import Seen
from refit_ros.estimation.keypoints import KeypointSolver
from refit_ros.tracking.config import DEFAULT

AROUND_M, HEIGHT_M = 3.5, 1.2  # where the cameras stand, level
K = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])


@pytest.fixture(scope="module")
def solver():
    return KeypointSolver(load_network(embedded_keypoint_weights(None)))


def _camera(number, bearing_rad):
    """Level, at this bearing of the origin, which it looks at."""
    back = np.array([np.cos(bearing_rad), np.sin(bearing_rad), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross([0, 0, -1.0], -back), [0, 0, -1.0], -back], axis=1)
    pose[:3, 3] = AROUND_M * back + [0, 0, HEIGHT_M]
    name = f"camera{number}"
    return Camera(np.zeros((480, 640, 3), np.uint8), Calibration(name, name, 640, 480, K), 0.0, pose, None)


def _landmarks_m(solver, facing_rad, place_m):
    """(33, 3) of somebody who stands there with an arm down, facing this bearing."""
    angles = np.zeros((24, 3))
    angles[JOINT_INDEX["left_shoulder"]] = [0, 0, -0.9]
    rotmats = matrix_from_axis_angle(angles)
    # Up and forward of the body are y and z of its own frame.
    forward = np.array([np.cos(facing_rad), np.sin(facing_rad), 0.0])
    rotmats[0] = np.stack([np.cross([0, 0, 1.0], forward), [0, 0, 1.0], forward], axis=1)
    values = (torch.zeros(1, 10), torch.tensor(rotmats[None], dtype=torch.float32))
    landmarks, joints = (value[0].double().numpy() for value in solver.network.landmark_body(*values))
    return (landmarks - joints[0] + place_m)[:33]


def _seen(camera, view, landmarks_m):
    """What a landmark network says of somebody in a camera."""
    sure = np.full((1, 33), 0.9)
    px = camera.calibration.project(camera.to_camera(landmarks_m))[None]
    found = Landmarks(px, sure, sure, np.zeros((1, 33, 3)), np.ones(1), sure, np.zeros((1, 4)), np.zeros((1, 4)))
    return Seen(camera, view, found)


def _new(solver, seen, cameras):
    fit = lambda groups: solver.fit([[one.sighting for one in own] for own in groups])  # noqa: E731
    return grouped(fit([[one] for one in seen]), seen, cameras, fit, DEFAULT)


BEARINGS = [0.0, 2 * np.pi / 3, 4 * np.pi / 3]


def test_three_views_of_one_person_are_one(solver):
    cameras = [_camera(*each) for each in enumerate(BEARINGS)]
    person = _landmarks_m(solver, 0.4, [0.1, -0.2, 0.95])
    ((body, own),) = _new(solver, [_seen(camera, view, person) for view, camera in enumerate(cameras)], cameras)
    assert len(own) == 3
    assert np.linalg.norm(body.joints[0] - [0.1, -0.2, 0.95]) < 0.1
    assert unexplained_m(body, own).max() < EXPLAINED_M / 2


def test_three_who_talk_in_a_ring_of_whom_each_camera_sees_another_are_three(solver, monkeypatch):
    """Each camera sees the back of the one before it; the rays to their pelvises meet in the middle of the ring, and where
    the poses that single views suggest are vague, geometry takes the three for one."""
    monkeypatch.setattr(keypoint_newcomers, "match", lambda candidates, *_: [list(range(len(candidates)))])
    cameras = [_camera(*each) for each in enumerate(BEARINGS)]
    talkers = [
        _landmarks_m(solver, bearing + np.pi, [0.6 * np.cos(bearing), 0.6 * np.sin(bearing), 0.95]) for bearing in BEARINGS
    ]
    seen = [_seen(camera, view, person) for view, (camera, person) in enumerate(zip(cameras, talkers))]
    people = _new(solver, seen, cameras)
    assert sorted(tuple(one.view for one in own) for _, own in people) == [(0,), (1,), (2,)]
    for body, own in people:  # by one camera's idea of the distance, but not where nobody is
        there_m = talkers[own[0].view].mean(0)
        assert np.linalg.norm(body.joints[0, :2] - there_m[:2]) < 0.5


def test_a_view_of_somebody_else_is_taken_out_of_a_group_and_the_rest_stays(solver):
    cameras = [_camera(*each) for each in enumerate([*BEARINGS, 1.5 * np.pi])]
    person, other = (_landmarks_m(solver, facing, [0.0, 0.0, 0.95]) for facing in (0.4, 0.4 + np.pi))
    own = [_seen(camera, view, other if view == 2 else person) for view, camera in enumerate(cameras)]
    (body,) = solver.fit([[one.sighting for one in own]])
    rest, (worst,) = parted(body, own)
    assert worst.view == 2 and [one.view for one in rest] == [0, 1, 3]
    (body,) = solver.fit([[one.sighting for one in rest]])
    assert parted(body, rest) == [rest]


def test_a_camera_that_stands_a_little_elsewhere_shows_the_same_person_still(solver):
    cameras = [_camera(*each) for each in enumerate(BEARINGS)]
    person = _landmarks_m(solver, 0.4, [0.0, 0.0, 0.95])
    own = [_seen(camera, view, person + (view == 1) * np.array([0.12, 0, 0])) for view, camera in enumerate(cameras)]
    (body,) = solver.fit([[one.sighting for one in own]])
    assert parted(body, own) == [own]

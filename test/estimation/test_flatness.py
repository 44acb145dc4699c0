"""Pictures of people, on posters and screens, are told from people: they have no relief."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from told_landmarks import Watching, following

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.camera.views import Camera
from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoints import KeypointSolver

K = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
AROUND_M, HEIGHT_M, MIDDLE_M = 3.5, 1.2, np.array([0.0, 0.0, 0.95])


@pytest.fixture(scope="module")
def solver():
    return KeypointSolver(load_network(embedded_keypoint_weights(None)))


def camera(bearing_rad: float) -> Camera:
    """Level, at this bearing of the origin, which it looks at; somebody at the origin who faces bearing 0 looks at 0."""
    back = np.array([np.cos(bearing_rad), np.sin(bearing_rad), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross([0, 0, -1.0], -back), [0, 0, -1.0], -back], axis=1)
    pose[:3, 3] = AROUND_M * back + [0, 0, HEIGHT_M]
    return Camera(np.zeros((480, 640, 3), np.uint8), Calibration("camera", "camera", 640, 480, K), 0.0, pose, None)


def person_m(solver: KeypointSolver, stride_rad: float = 0.0) -> np.ndarray:
    """(33, 3): at the origin, facing bearing 0 (x), arms down; with a stride if wanted."""
    angles = np.zeros((24, 3))
    angles[JOINT_INDEX["left_shoulder"]], angles[JOINT_INDEX["right_shoulder"]] = [0, 0, -1.1], [0, 0, 1.1]
    angles[JOINT_INDEX["left_hip"]], angles[JOINT_INDEX["right_hip"]] = [-stride_rad, 0, 0], [stride_rad, 0, 0]
    rotmats = matrix_from_axis_angle(angles)
    rotmats[0] = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    values = (torch.zeros(1, 10), torch.tensor(rotmats[None], dtype=torch.float32))
    landmarks, joints = (value[0].double().numpy() for value in solver.network.landmark_body(*values))
    return (landmarks - joints[0] + MIDDLE_M)[:33]


def flatness(solver: KeypointSolver, points_m: np.ndarray, bearings_rad, unseen=(), noise_px: float = 0.0) -> float:
    random, visible = np.random.default_rng(3), np.full(33, 0.9)
    visible[list(unseen)] = 0.0
    sightings = []
    for bearing_rad in bearings_rad:
        eye = camera(bearing_rad)
        place_px = eye.calibration.project(eye.to_camera(points_m)) + random.normal(0, 1, (33, 2)) * noise_px
        sightings.append(Sighting(eye, place_px, visible))
    return solver.fit([sightings])[0].flatness


@pytest.mark.parametrize("stride_rad", [0.0, 0.5])
def test_a_person_has_relief_and_their_picture_has_none(solver, stride_rad):
    person = person_m(solver, stride_rad)
    picture = person.copy()
    picture[:, 0] = 0.0  # as a far camera at bearing 0 photographs them, on a board that faces it
    for bearings in ((-0.7, 0.5), (-0.6, 0.1, 0.7)):
        assert flatness(solver, person, bearings, noise_px=1.0) < -3
        assert flatness(solver, picture, bearings, noise_px=1.0) > 1


def test_one_view_or_two_that_stand_together_tell_nothing(solver):
    person = person_m(solver)
    assert flatness(solver, person, [0.2]) == 0.0
    assert abs(flatness(solver, person, [0.2, 0.21], noise_px=1.0)) < 1


def test_too_few_landmarks_tell_nothing(solver):
    picture = person_m(solver)
    picture[:, 0] = 0.0
    assert flatness(solver, picture, (-0.7, 0.5), unseen=range(8, 33)) == 0.0


def test_a_picture_has_no_id_and_keeps_none(solver):
    """Also when one camera alone sees it again: it stays what it was."""
    watching = Watching(solver.network, [[0.0, 0.0, 5.0]])
    watching.flatness = 3.0
    people = following(solver.network, watching)
    ids = [[person.id for person in people.estimate(watching.views(0.1 * step)).people] for step in range(6)]
    assert ids == [[]] * 6
    alone = [people.estimate(watching.views(0.6 + 0.1 * step)[:1]).people for step in range(8)]
    assert not any(alone)
    watching.flatness = -9.0
    found = [people.estimate(watching.views(2.0 + 0.3 * step)).people for step in range(4)]
    assert [person.id for person in found[-1]] == [1]
    watching.flatness = 9.0
    later = [people.estimate(watching.views(4.0 + 0.3 * step)).people for step in range(3)]
    assert not later[-1]


def test_one_set_in_which_somebody_seems_flat_costs_them_nothing(solver):
    watching = Watching(solver.network, [[0.0, 0.0, 5.0]])
    watching.flatness = -5.0
    people = following(solver.network, watching)
    for step in range(4):
        people.estimate(watching.views(0.1 * step))
    watching.flatness = 5.0
    assert [person.id for person in people.estimate(watching.views(0.4)).people] == [1]

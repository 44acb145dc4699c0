"""Cameras that were given wrongly, in the ways in which they are: the cause is told, and never where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle import ring

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.camera.views import Camera, View
from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.rig_doubt import SEEN_APART, UNKNOWN
from refit_ros.estimation.settings import Settings

BODY_FROM_OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@pytest.fixture(scope="module")
def network():
    return load_network(embedded_keypoint_weights(None))


class Room:
    """What landmark networks would say of people in a room, whatever the cameras are said to be."""

    def __init__(self, network, cameras, people):
        """people: (place m, facing rad, visibility); cameras: (calibration, pose) as they are in truth."""
        self._network, self._cameras, self._people = network, cameras, people

    def views(self, stamp_s, told):
        """told: the same cameras, as a user gives them."""
        return [self._view(number, stamp_s, *each) for number, each in enumerate(told)]

    def _view(self, number, stamp_s, calibration, pose):
        px = self._px(number, stamp_s)
        boxes = np.concatenate([px.min(1) - 10, px.max(1) + 10], axis=1) if len(px) else np.zeros((0, 4))
        image = np.full((480, 640, 3), (number, round(stamp_s * 10), 0), np.uint8)
        return View(image, calibration, stamp_s, pose, Boxes(boxes, np.ones(len(boxes))))

    def _px(self, number, stamp_s):
        lens, pose = self._cameras[number]
        camera, seen = Camera(None, lens, stamp_s, pose, None), []
        for index, (place_m, facing, _) in enumerate(self._people):
            points = camera.to_camera(self._landmarks_m(place_m, facing, stamp_s + index))
            px = lens.project(points) + np.random.default_rng([number, index]).normal(0, 1.0, (33, 2))
            if (points[:, 2] > 0.3).all() and ((px > 0) & (px < [640, 480])).all(1).mean() > 0.9:
                seen.append(px)
        return np.array(seen).reshape(-1, 33, 2)

    def _landmarks_m(self, place_m, facing, time_s):
        angles = np.zeros((24, 3))
        angles[JOINT_INDEX["left_shoulder"]] = [0, 0, -0.9]
        angles[JOINT_INDEX["left_hip"]] = [0.5 * np.sin(4 * time_s), 0, 0]
        rotmats = matrix_from_axis_angle(angles)
        forward = np.array([np.cos(facing + 0.2 * time_s), np.sin(facing + 0.2 * time_s), 0.0])
        rotmats[0] = np.stack([np.cross([0, 0, 1.0], forward), [0, 0, 1.0], forward], axis=1)
        values = (torch.zeros(1, 10), torch.tensor(rotmats[None], dtype=torch.float32))
        landmarks, joints = (value[0].double().numpy() for value in self._network.landmark_body(*values))
        return (landmarks - joints[0] + place_m + [0.1 * np.sin(time_s), 0, 0])[:33]

    def in_boxes(self, image, xyxy_px):
        number, tenths, _ = map(int, image[0, 0])
        px, middles = self._px(number, tenths / 10), (xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2
        own = [int(np.linalg.norm((px.min(1) + px.max(1)) / 2 - middle, axis=1).argmin()) for middle in middles]
        count, sure = len(own), np.full((len(own), 33), self._people[0][2])
        return Landmarks(
            px[own].reshape(-1, 33, 2), sure, sure, np.zeros((count, 33, 3)), np.full(count, 0.95), sure,
            np.zeros((count, 4)), np.zeros((count, 4)),
        )  # fmt: skip


PEOPLE = [([0.3, -0.2, 0.95], 0.4, 0.9), ([-0.7, 0.6, 0.95], 2.4, 0.9)]


def rig(count):
    """Cameras at unlike heights and distances, as they stand in rooms."""
    cameras = ring(count, 4.5, 1.4)
    for number, (_, pose) in enumerate(cameras):
        pose[:3, 3] += [0.2 * number, -0.3 * (number % 2), 0.25 * number]
    return cameras


def doubts(network, cameras, told, people=PEOPLE, sets=40, period_s=0.1):
    """What is said, set after set, each once."""
    room = Room(network, cameras, people)
    tracker = KeypointEstimator(network, room, Settings(detector="topic"))
    return list(dict.fromkeys(tracker.estimate(room.views(period_s * number, told)).doubt for number in range(sets)))


def moved(change):
    return lambda cameras: [(lens, change(pose)) for lens, pose in cameras]


def in_millimetres(pose):
    return np.block([[pose[:3, :3], 1000 * pose[:3, 3:]], [pose[3:]]])


def with_axes(axes):
    def change(pose):
        changed = pose.copy()
        changed[:3, :3] = pose[:3, :3] @ axes.T
        return changed

    return change


def exchanged(cameras):
    (lens, pose), (other, there), *rest = cameras
    return [(lens, there), (other, pose), *rest]


def of_half_the_size(cameras):
    return [(replace(lens, K=np.diag([0.5, 0.5, 1]) @ lens.K), pose) for lens, pose in cameras]


CAUSES = [
    (moved(np.linalg.inv), "inverted (camera_from_fixed where fixed_from_camera is wanted): give their inverse"),
    (moved(in_millimetres), "in millimetres: give metres"),
    (moved(with_axes(BODY_FROM_OPTICAL)), "x axis points forward"),
    (moved(with_axes(np.diag([1.0, -1, -1]))), "z axis points backward"),
    (moved(lambda pose: in_millimetres(np.linalg.inv(pose))), "in millimetres: give metres; and their poses inverted"),
    (of_half_the_size, "another resolution"),
]


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("wrongly, cause", CAUSES)
def test_the_cause_is_told(network, count, wrongly, cause):
    said = doubts(network, rig(count), wrongly(rig(count)), sets=14)
    assert len(said) == 2 and said[0] == "" and said[1].startswith(SEEN_APART) and cause in said[1], said


def test_two_cameras_that_were_exchanged_are_named(network):
    said = doubts(network, rig(2), exchanged(rig(2)), sets=14)
    assert said[1:] == [f"{SEEN_APART}: the poses of cameras cam0 and cam1 seem to be exchanged"]


@pytest.mark.parametrize("count", [2, 4])
def test_a_right_rig_is_not_doubted(network, count):
    assert doubts(network, rig(count), rig(count), sets=14) == [""]


def test_nobody_and_somebody_whom_one_camera_sees_say_nothing(network):
    wrong = moved(np.linalg.inv)(rig(2))
    assert doubts(network, rig(2), wrong, [([0, 0, 30.0], 0.0, 0.9)], sets=14) == [""]
    there = [rig(2)[0], (rig(2)[1][0], with_axes(BODY_FROM_OPTICAL)(rig(2)[1][1]))]  # looks elsewhere, and says so
    assert doubts(network, there, there, PEOPLE[:1], sets=14) == [""]


def test_people_who_are_hardly_seen_say_nothing(network):
    hardly = [(place, facing, 0.55) for place, facing, _ in PEOPLE]
    assert doubts(network, rig(2), moved(np.linalg.inv)(rig(2)), hardly, sets=14) == [""]


def test_cameras_of_two_rooms_are_not_doubted(network):
    """Each has somebody of its own, and what they see does not overlap."""
    (lens, pose), *_ = rig(1)
    other = pose.copy()
    other[:3, 3] += [20.0, 3.0, 0.5]
    people = [PEOPLE[0], ([20.6, 2.9, 0.95], 1.9, 0.9)]
    cameras = [(lens, pose), (replace(lens, name="cam1", frame_id="cam1"), other)]
    assert doubts(network, cameras, cameras, people, sets=40) == [""]


def test_what_has_no_usual_cause_is_told_in_general(network):
    """Two cameras that look at the same place, one of them turned round it."""
    turned = np.eye(4)
    turned[:3, :3] = matrix_from_axis_angle(np.array([0, 0, 1.1]))
    (lens, pose), (other, there) = rig(2)
    assert doubts(network, rig(2), [(lens, pose), (other, turned @ there)], sets=40)[1:] == [UNKNOWN]


def test_a_rig_that_was_put_right_is_believed_again(network):
    room = Room(network, rig(2), PEOPLE)
    tracker = KeypointEstimator(network, room, Settings(detector="topic"))
    wrong = moved(np.linalg.inv)(rig(2))
    said = [tracker.estimate(room.views(0.1 * number, wrong if number < 20 else rig(2))).doubt for number in range(60)]
    assert said[19] and not said[-1]

"""One image -> people through landmarks: who is one, who is there twice, what is said of what is not seen."""

import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import View
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings


class Said:
    """A landmark source that says what it was told to, and keeps what it was asked."""

    def __init__(self, flag, shifts, visibility=None):
        generator = np.random.default_rng(0)
        place = generator.uniform([200, 100], [300, 400], (33, 2))
        count = len(flag)
        seen = np.full((count, 33), 0.9) if visibility is None else visibility
        self.found = Landmarks(
            np.stack([place + [shift, 0] for shift in shifts]),
            seen,
            seen,
            generator.normal(0, 0.3, (count, 33, 3)),
            np.array(flag, float),
            seen,
            np.zeros((count, 4)),
            np.zeros((count, 4)),
        )
        self.asked = None

    def in_boxes(self, image, xyxy_px):
        self.asked = xyxy_px
        return self.found[np.arange(len(xyxy_px))]


@pytest.fixture(scope="module")
def network():
    return untrained_network(LANDMARKS, load_body())


def view(boxes=((200, 100, 300, 400), (340, 100, 440, 400), (20, 100, 120, 400))):
    calibration = Calibration("camera", "camera", 640, 480, np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]]))
    return View(
        np.zeros((480, 640, 3), np.uint8),
        calibration,
        0.0,
        boxes=Boxes(np.array(boxes, float).reshape(-1, 4), np.ones(len(boxes))),
    )


def estimator(network, said):
    return KeypointEstimator(network, said, Settings(detector="topic"))


def test_only_people_are_given_and_each_once(network):
    said = Said([0.9, 0.2, 0.95], [0, 150, 4])  # a person, none, the first person again
    people = estimator(network, said).estimate([view()])
    assert len(said.asked) == 3 and len(people.people) == 1
    assert len(estimator(network, Said([0.9, 0.9, 0.9], [0, 150, -180])).estimate([view()]).people) == 3


def test_nobody_gives_nobody(network):
    assert estimator(network, Said([0.9], [0])).estimate([view(boxes=())]).people == ()
    assert estimator(network, Said([0.1], [0])).estimate([view(boxes=((200, 100, 300, 400),))]).people == ()


def test_a_person_is_whole_and_finite(network):
    (person,) = estimator(network, Said([0.9], [0])).estimate([view(boxes=((200, 100, 300, 400),))]).people
    assert person.joints.shape == person.joint_rotmats.shape[:2] == (24, 3) and person.body_pose.shape == (23, 3)
    for value in (person.joints, person.joint_stddev, person.betas, person.transl, person.global_orient):
        assert np.isfinite(value).all()
    assert 0 < person.confidence <= 1 and person.views[0].camera == "camera"


def test_what_is_not_seen_is_less_certain(network):
    visibility = np.full((1, 33), 0.9)
    visibility[0, [LANDMARK_INDEX["left_ankle"], LANDMARK_INDEX["left_index"]]] = 0.1
    (person,) = estimator(network, Said([0.9], [0], visibility)).estimate([view(boxes=((200, 100, 300, 400),))]).people
    sigma = person.joint_stddev
    assert sigma[JOINT_INDEX["left_ankle"]] > sigma[JOINT_INDEX["right_ankle"]] == sigma[JOINT_INDEX["pelvis"]]
    assert sigma[JOINT_INDEX["left_hand"]] > sigma[JOINT_INDEX["right_hand"]]


def test_several_cameras_are_refused(network):
    with pytest.raises(ValueError, match="one camera at a time, not 2"):
        estimator(network, Said([0.9], [0])).estimate([view(), view()])

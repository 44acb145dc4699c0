"""Keypoints that a program has found itself: people are fitted to these, and nobody looks at the image."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import refit_ros
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.camera.views import View
from refit_ros.core.landmarks import layout_indices

sys.path.insert(0, str(Path(__file__).parents[1] / "estimation"))

IMAGE = np.zeros((480, 640, 3), np.uint8)
K = np.array([[700.0, 0, 320], [0, 700, 240], [0, 0, 1]])
PELVIS_M = np.array([[-0.5, 0.1, 4.0], [0.6, 0.0, 5.0]])  # in the camera's frame: y down


@pytest.fixture(scope="module")
def model():
    return refit_ros.load(device="cpu", settings={"keypoint_source": "topic", "evidence": "keypoints"})


@pytest.fixture(scope="module")
def coco(model):
    """(2, 17, 3) of two who stand before the camera and look at it."""
    upright = torch.eye(3).expand(1, 24, 3, 3).clone()
    landmarks, joints = (each[0].double().numpy() for each in model.network.landmark_body(torch.zeros(1, 10), upright))
    people_m = (landmarks - joints[0])[None] * [1, -1, -1] + PELVIS_M[:, None]
    px = Calibration("camera", "camera", 640, 480, K).project(people_m[:, layout_indices("coco")])
    return np.concatenate([px, np.full((2, 17, 1), 0.95)], axis=2)


def test_people_stand_where_their_keypoints_say(model, coco):
    people = model(IMAGE, K, keypoints=coco)
    pelvis_m = np.array(sorted((person.joints[0] for person in people), key=lambda each: each[0]))
    assert len(people) == 2
    np.testing.assert_allclose(pelvis_m[:, :2] / pelvis_m[:, 2:], PELVIS_M[:, :2] / PELVIS_M[:, 2:], atol=0.02)
    np.testing.assert_allclose(pelvis_m[:, 2], PELVIS_M[:, 2], rtol=0.15)
    result = SimpleNamespace(keypoints=SimpleNamespace(xy=coco[..., :2], conf=coco[..., 2]))  # as ultralytics gives them
    again = model(IMAGE, K, keypoints=result)
    np.testing.assert_array_equal(again[0].joints, people[0].joints)
    assert len(model(IMAGE, K, keypoints=[])) == 0


def test_they_are_followed_in_several_cameras(model, coco):
    model.reset()
    aside = np.eye(4)
    cameras = {
        "left": refit_ros.Camera(K, fixed_from_camera=np.eye(4)),
        "right": refit_ros.Camera(K, fixed_from_camera=aside),
    }
    for stamp_s in (0.0, 0.1):
        people = model.track(
            dict.fromkeys(cameras, IMAGE), cameras, stamp_s=stamp_s, keypoints={"left": coco, "right": [[1, 2, 3]]}
        )
        assert people.cameras == ("left",) and "keypoints have shape (1, 3)" in people.left_out["right"]
    assert sorted(person.id for person in people) == [1, 2]
    people = model.track(dict.fromkeys(cameras, IMAGE), cameras, stamp_s=0.2, keypoints={"left": coco})
    assert "give them with each image" in people.left_out["right"]


def test_mistakes_are_one_sentence(model, coco):
    with pytest.raises(ValueError, match="give them with each image, keypoints="):
        model(IMAGE, K)
    with pytest.raises(ValueError, match="need their keypoints by their names"):
        model({"a": IMAGE}, {"a": K}, keypoints=coco)
    features = refit_ros.load(device="cpu", evidence="features", detector="full_image")
    with pytest.raises(ValueError, match="evidence is landmarks: load"):
        features(IMAGE, K, keypoints=coco)


def test_of_an_image_with_keypoints_the_own_landmark_network_is_not_asked(coco):
    """It was asked about boxes around them, and what it saw was taken in their place."""
    from told_landmarks import Said, estimator

    from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network

    own = Said([0.9], [0.0])
    asked = estimator(load_network(embedded_keypoint_weights(None)), own, birth_hits=1)
    given = GivenKeypoints(coco[..., :2], coco[..., 2], "coco")
    people = asked.estimate([View(IMAGE, Calibration("camera", "camera", 640, 480, K), 0.0, keypoints=given)]).people
    assert own.asked is None and len(people) == 2

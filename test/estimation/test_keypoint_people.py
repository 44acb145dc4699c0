"""What is said of somebody who was fitted to landmarks: how sure each joint is, and the box around them."""

import dataclasses

import numpy as np
from told_landmarks import Said, view

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.keypoint_people import body_boxes, person, published_boxes
from refit_ros.estimation.keypoints import KeypointBody


def test_who_fits_badly_and_whom_fewer_cameras_see_is_less_certain():
    def sigma(misfit, views=1, seen=0.9, side_px=200):
        camera = Camera(None, view().calibration, 0.0, np.eye(4), None)
        box = np.tile([0.0, 0, side_px, side_px], (views, 1))
        joints = np.tile([0.0, 0, 5], (24, 1))
        own = np.full(views, 200 * misfit)
        body = KeypointBody(
            np.zeros(10), np.tile(np.eye(3), (24, 1, 1)), joints[0], joints, np.zeros((38, 3)), np.ones((views, 3)), own, box
        )
        found = [dataclasses.replace(Said([0.9], [0], np.full((1, 33), seen)).found) for _ in range(views)]
        return person(1, body, found, [camera] * views).joint_stddev[JOINT_INDEX["left_knee"]]

    assert sigma(0.06) > 1.5 * sigma(0.01) and sigma(0.06, 2) > 1.5 * sigma(0.01, 2)
    assert sigma(0.02) > sigma(0.02, 2) > 1.2 * sigma(0.02, 4)
    assert sigma(0.02, seen=0.1) > sigma(0.02) and sigma(0.02, 2, seen=0.1) > sigma(0.02, 2)
    assert sigma(0.02, side_px=60) == sigma(0.02), "what is off by as much is no worse of whom less is in the image"


def test_a_published_box_lies_between_the_body_and_its_landmarks():
    camera = Camera(None, view().calibration, 0.0, np.eye(4), None)
    landmarks = np.random.default_rng(1).uniform([-0.5, -0.8, 5], [0.5, 0.8, 5], (38, 3))
    body = KeypointBody(*[np.zeros(1)] * 4, landmarks, np.zeros((1, 3)), np.zeros(1), np.zeros((1, 4)))
    px = camera.calibration.project(landmarks)[:33]
    seen = Said([0.9], [0]).found
    moved = dataclasses.replace(seen, place_px=px[None] + [40.0, 0])
    cameras = CameraRows.of([camera])
    (own,), (box,) = body_boxes(body, cameras), published_boxes(body, cameras, [moved])
    assert np.allclose(box[[0, 2]] - own[[0, 2]], 20, atol=6) and np.allclose(box[[1, 3]], own[[1, 3]], atol=6)
    dim = dataclasses.replace(moved, visibility=np.full((1, 33), 0.05))
    assert np.array_equal(published_boxes(body, cameras, [dim])[0], own), "nothing is seen, and the body says where they are"

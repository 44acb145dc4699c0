"""Where a person was predicted, and what one camera says: in sigmas of both."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ring

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import FARTHEST, PredictedBody, distance2, pose_distance2
from refit_ros.tracking.root_state import RootState

CONFIG = TrackerConfig()
CALIBRATION, POSE = ring(1)[0]
CAMERA = Camera(np.zeros((2, 2, 3), np.uint8), CALIBRATION, 0.0, POSE, None)
JOINTS = np.random.default_rng(0).normal(0, 0.3, (24, 3)) + [0.1, 0.2, 1.0]


def body(sigma_m: float = 0.0, unseen_s: float = 0.0) -> PredictedBody:
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = sigma_m**2 * np.eye(3)
    return PredictedBody(RootState(np.append(JOINTS[0], np.zeros(3)), covariance, 0.0), JOINTS, unseen_s)


def test_where_it_was_predicted_is_no_distance():
    assert distance2(body(), CAMERA.to_camera(JOINTS), CAMERA, CONFIG) == pytest.approx(0, abs=1e-12)


def test_across_the_ray_counts_and_along_it_hardly():
    seen = CAMERA.to_camera(JOINTS)
    across = distance2(body(), seen + [0.3, 0, 0], CAMERA, CONFIG)
    assert across == pytest.approx((0.3 / CONFIG.bearing_sigma_m) ** 2, rel=1e-6)
    depth_m = seen[0, 2]
    along = distance2(body(), seen * 1.1, CAMERA, CONFIG) - pose_distance2(seen * 1.1, seen, 0.0, CONFIG)
    assert along == pytest.approx((np.log(1.1) / CONFIG.depth_sigma) ** 2, rel=1e-6) and depth_m > 2


def test_what_is_not_known_of_the_place_is_forgiven():
    seen = CAMERA.to_camera(JOINTS) + [0.4, 0, 0]
    sure, unsure = (distance2(body(sigma_m), seen, CAMERA, CONFIG) for sigma_m in (0.0, 0.4))
    assert unsure < sure / 3


def test_another_pose_is_another_body_the_sooner_the_more():
    other = JOINTS.copy()
    other[1:] += np.random.default_rng(1).normal(0, 0.2, (23, 3))
    at_once, later = (pose_distance2(other, JOINTS, step_s, CONFIG) for step_s in (0.03, 0.5))
    assert at_once > 9 and later < at_once / 4
    assert pose_distance2(JOINTS + 5.0, JOINTS, 0.1, CONFIG) == pytest.approx(0, abs=1e-12)


def test_behind_the_camera_nobody_is():
    assert distance2(body(), -CAMERA.to_camera(JOINTS), CAMERA, CONFIG) == FARTHEST

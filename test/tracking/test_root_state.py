"""The filter of the pelvis: it means the same at every rate, and knows little along the ray of a single camera."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ring

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.root_state import RootState, jitter_information, predict, start, update, view_information

CONFIG = TrackerConfig()


def cameras(count: int) -> list[Camera]:
    return [Camera(np.zeros((2, 2, 3), np.uint8), calibration, 0.0, pose, None) for calibration, pose in ring(count)]


def walking() -> RootState:
    state = start(np.array([1.0, 2.0, 1.0]), 0.01 * np.eye(3), 5.0, CONFIG)
    return RootState(np.concatenate([state.position_m, [1.0, 0.0, 0.0]]), state.covariance, 5.0)


def test_many_steps_are_one_long_step():
    once, often = predict(walking(), 6.0, CONFIG), walking()
    for stamp_s in np.linspace(5.0, 6.0, 31)[1:]:
        often = predict(often, float(stamp_s), CONFIG)
    np.testing.assert_allclose(often.mean, once.mean, atol=1e-9)
    np.testing.assert_allclose(often.covariance, once.covariance, atol=1e-9)


def test_the_covariance_is_that_of_many_walkers():
    """Simulated by small steps of the process the docstring names."""
    rng, count, step_s, config = np.random.default_rng(0), 20000, 0.01, CONFIG
    place, speed = np.zeros(count), np.zeros(count)
    for _ in range(80):
        place = place + speed * step_s
        push = rng.normal(0, np.sqrt(config.acceleration_m2_s3 * step_s), count)
        speed = speed * (1 - step_s / config.velocity_memory_s) + push
    still = RootState(np.zeros(6), np.zeros((6, 6)), 0.0)
    covariance = predict(still, 0.8, config).covariance
    assert np.isclose(covariance[0, 0], place.var(), rtol=0.06) and np.isclose(covariance[3, 3], speed.var(), rtol=0.06)
    assert np.isclose(covariance[0, 3], np.mean(place * speed), rtol=0.06)
    assert covariance[0, 1] == 0


def test_a_newcomer_may_move_as_whoever_was_not_seen_for_long():
    new = start(np.zeros(3), np.eye(3), 0.0, CONFIG)
    np.testing.assert_allclose(predict(new, 7.0, CONFIG).covariance[3:, 3:], new.covariance[3:, 3:], atol=1e-9)
    np.testing.assert_allclose(predict(walking(), 65.0, CONFIG).covariance[3:, 3:], new.covariance[3:, 3:], atol=1e-9)


def test_nobody_walks_on_for_ever():
    far = predict(walking(), 65.0, CONFIG)
    np.testing.assert_allclose(far.position_m, [1 + CONFIG.velocity_memory_s, 2, 1], atol=1e-6)
    np.testing.assert_allclose(far.velocity_m_s, 0, atol=1e-6)


def test_time_that_stands_still_or_goes_back_changes_nothing():
    for stamp_s in (5.0, 4.0):
        np.testing.assert_array_equal(predict(walking(), stamp_s, CONFIG).covariance, walking().covariance)


def test_an_update_is_kalmans():
    """Against the gain form, P H' (H P H' + R)^-1, of any textbook."""
    state, noise = predict(walking(), 5.4, CONFIG), np.diag([0.01, 0.04, 0.02])
    seen = state.position_m + [0.1, -0.2, 0.05]
    after = update(state, seen, np.linalg.inv(noise))
    gain = state.covariance[:, :3] @ np.linalg.inv(state.position_covariance_m2 + noise)
    np.testing.assert_allclose(after.mean, state.mean + gain @ (seen - state.position_m), atol=1e-9)
    np.testing.assert_allclose(after.covariance, state.covariance - gain @ state.covariance[:3], atol=1e-9)


def test_nothing_known_changes_nothing():
    state = walking()
    after = update(state, state.position_m + 3.0, np.zeros((3, 3)))
    np.testing.assert_allclose(after.mean, state.mean, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_more_cameras_know_more_and_one_knows_little_of_the_depth(count):
    pelvis = np.array([0.2, -0.1, 1.0])
    covariance = np.linalg.inv(jitter_information(pelvis, cameras(count), CONFIG))
    fewer = np.linalg.inv(jitter_information(pelvis, cameras(count)[: max(count // 2, 1)], CONFIG))
    assert np.trace(covariance) <= np.trace(fewer) + 1e-12
    if count == 1:
        ray = pelvis - cameras(1)[0].fixed_from_camera[:3, 3]
        distance_m = np.linalg.norm(ray)
        along = ray @ covariance @ ray / distance_m**2
        assert np.isclose(along, (CONFIG.depth_jitter * distance_m) ** 2)
        assert np.isclose(np.linalg.eigvalsh(covariance)[0], CONFIG.bearing_jitter_m**2)


def test_a_bearing_alone_leaves_the_depth_open():
    camera = cameras(1)[0]
    pelvis = np.array([0.2, -0.1, 1.0])
    known = view_information(pelvis, camera.fixed_from_camera[:3, 3], 0.1, np.inf)
    ray = pelvis - camera.fixed_from_camera[:3, 3]
    np.testing.assert_allclose(known @ ray, 0, atol=1e-9)

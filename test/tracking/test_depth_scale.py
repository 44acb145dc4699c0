"""What a view errs along its ray is learned where other cameras tell."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.depth_scale import DepthScale

PELVIS_M = np.array([0.0, 0.0, 1.0])
AROUND_M = [np.array([4.0 * np.cos(turn), 4.0 * np.sin(turn), 1.5]) for turn in (0.0, 1.3, 2.9, 4.4)]


def seen_m(scale: float, cameras_m) -> list[np.ndarray]:
    """The pelvis, from each camera farther away by a factor than it is."""
    return [camera_m + (PELVIS_M - camera_m) * scale for camera_m in cameras_m]


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.12])
def test_the_error_of_a_height_that_was_guessed_is_learned(scale):
    depth = DepthScale()
    for _ in range(4):
        depth = depth.learned(PELVIS_M, seen_m(scale, AROUND_M), AROUND_M, DEFAULT)
    assert abs(depth.mean - np.log(scale)) < 0.02
    assert depth.sigma(DEFAULT) < DEFAULT.depth_sigma / 2 and depth.sigma(DEFAULT) >= 2 * DEFAULT.depth_jitter


def test_one_camera_tells_nothing_of_what_it_errs():
    depth = DepthScale().learned(PELVIS_M, seen_m(1.2, AROUND_M[:1]), AROUND_M[:1], DEFAULT)
    assert depth == DepthScale() and depth.sigma(DEFAULT) == pytest.approx(DEFAULT.depth_sigma)


def test_cameras_that_look_along_one_line_tell_less_than_those_that_cross():
    opposite = [np.array([4.0, 0.0, 1.0]), np.array([-4.0, 0.0, 1.0])]
    crossing = [np.array([4.0, 0.0, 1.0]), np.array([0.0, 4.0, 1.0])]
    sigmas = [
        DepthScale().learned(PELVIS_M, seen_m(1.1, cameras_m), cameras_m, DEFAULT).sigma(DEFAULT)
        for cameras_m in (opposite, crossing)
    ]
    assert sigmas[1] < DEFAULT.depth_sigma / 2 < 0.9 * DEFAULT.depth_sigma < sigmas[0]

"""Steady when still, close behind when moving, and always rotations."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.camera.geometry import matrix_from_axis_angle
from refit_ros.estimation.smooth import Place, Rotations, Shape


def test_a_still_place_trembles_less_the_more_it_is_smoothed():
    noise = np.random.default_rng(0).normal(0, 0.004, (300, 3))
    jitter = []
    for smoothing in (0.1, 0.5, 1.0):
        place = Place(smoothing)
        path = np.array([place(value, 1 / 30) for value in noise])[30:]
        jitter.append(np.linalg.norm(np.diff(path, axis=0), axis=1).mean())
    raw = np.linalg.norm(np.diff(noise, axis=0), axis=1).mean()
    assert raw > jitter[0] > jitter[1] > jitter[2] and jitter[1] < raw / 3


def test_a_walker_is_followed_closely():
    place = Place(0.5)
    for step in range(90):
        value = np.array([1.3 * step / 30, 0, 0])
        out = place(value, 1 / 30)
    assert np.linalg.norm(value - out) / 1.3 < 0.1  # less than a tenth of a second behind


@pytest.mark.parametrize("axis", [[1, 0, 0], [0.3, -0.7, 0.6]])
def test_rotations_stay_rotations_and_cross_the_half_turn(axis):
    """Axis-angle numbers jump at a half turn; the filtered rotation must not."""
    rng = np.random.default_rng(0)
    rotations = Rotations(0.5)
    axis = np.array(axis) / np.linalg.norm(axis)
    previous = None
    for step in range(200):
        noisy = axis[None] * (2.5 + step * 0.01) + rng.normal(0, 0.02, (1, 3))
        out = rotations(matrix_from_axis_angle(noisy), 1 / 30)
        assert np.allclose(out @ np.swapaxes(out, 1, 2), np.eye(3), atol=1e-9) and np.linalg.det(out[0]) > 0.999
        if previous is not None:
            assert np.linalg.norm(out - previous) < 0.15
        previous = out
    clean = matrix_from_axis_angle(axis[None] * (2.5 + 199 * 0.01))
    assert np.linalg.norm(out - clean) < 0.3


def test_shape_settles():
    rng = np.random.default_rng(0)
    truth, shape = rng.normal(0, 1, 10), Shape()
    values = []
    for _ in range(200):
        shape = shape.learned(truth + rng.normal(0, 0.5, 10))
        values.append(shape.mean)
    assert np.abs(values[-1] - truth).max() < 0.15
    assert np.linalg.norm(values[-1] - values[-2]) < 0.02

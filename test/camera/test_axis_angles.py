"""Rotations in numpy against SciPy, which checks and mends each matrix and takes its time for it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refit_ros.camera.geometry import along_the_tree, axis_angle_from_matrix, matrix_from_axis_angle
from refit_ros.core.joints import PARENTS

RNG = np.random.default_rng(5)
ANGLES = {
    "any": RNG.uniform(0, np.pi, 3000),
    "none at all": np.zeros(10),
    "hardly any": 10.0 ** RNG.uniform(-14, -1, 3000),
    "nearly half a turn": np.pi - 10.0 ** RNG.uniform(-14, -1, 3000),
}


def _axes(count: int) -> np.ndarray:
    axes = RNG.normal(size=(count, 3))
    return axes / np.linalg.norm(axes, axis=1, keepdims=True)


@pytest.mark.parametrize("which", ANGLES)
def test_axis_angles_come_back_from_matrices(which):
    axis_angle = _axes(len(ANGLES[which])) * ANGLES[which][:, None]
    back = axis_angle_from_matrix(Rotation.from_rotvec(axis_angle).as_matrix())
    np.testing.assert_allclose(back, axis_angle, atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_half_a_turn_is_told_by_its_axis(axis):
    turned = np.diag(np.where(np.arange(3) == axis, 1.0, -1.0))
    np.testing.assert_allclose(np.abs(axis_angle_from_matrix(turned)), np.pi * np.eye(3)[axis])


def test_matrices_in_single_precision_are_told_as_scipy_tells_them():
    rotmats = Rotation.random(2000, rng=3).as_matrix().astype(np.float32)
    expected = Rotation.from_matrix(rotmats.astype(float)).as_matrix()
    np.testing.assert_allclose(matrix_from_axis_angle(axis_angle_from_matrix(rotmats)), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (7,), (2, 24), (0, 24)])
def test_any_number_of_rotations_is_taken(shape):
    rotmats = np.broadcast_to(Rotation.from_rotvec([0.1, -0.2, 0.3]).as_matrix(), (*shape, 3, 3))
    np.testing.assert_allclose(axis_angle_from_matrix(rotmats), np.broadcast_to([0.1, -0.2, 0.3], (*shape, 3)))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_rotations_are_composed_along_the_tree(shape):
    count = 24 * int(np.prod(shape))
    rotmats = Rotation.from_rotvec(RNG.normal(size=(count, 3))).as_matrix().reshape(*shape, 24, 3, 3)
    expected = rotmats.copy()
    for joint in range(1, 24):  # parents come before their children
        expected[..., joint, :, :] = expected[..., PARENTS[joint], :, :] @ rotmats[..., joint, :, :]
    np.testing.assert_allclose(along_the_tree(rotmats), expected, atol=1e-12)

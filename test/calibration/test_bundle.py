"""Bundle adjustment against what is known in closed form."""

from __future__ import annotations

import numpy as np
from drawn_tracks import rig
from scipy.spatial.transform import Rotation

from refit_ros.calibration.bundle import Rays, _off, _step, adjust

RIG = rig((3.5, 0, 1.5), (0, 3.5, 1.8), (-3.0, -1.0, 1.2))


def seen(points: np.ndarray, poses: np.ndarray) -> Rays:
    camera, point = (each.reshape(-1) for each in np.meshgrid(range(len(poses)), range(len(points)), indexing="ij"))
    there = np.einsum("mij,mj->mi", poses[camera, :3, :3], points[point]) + poses[camera, :3, 3]
    count = len(camera)
    return Rays(camera, point, there[:, :2] / there[:, 2:], np.full(count, 0.005), np.ones(count))


def knocked(poses: np.ndarray, random) -> np.ndarray:
    moved = poses.copy()
    for pose in moved[1:]:
        pose[:3, :3] = Rotation.from_rotvec(0.08 * random.standard_normal(3)).as_matrix() @ pose[:3, :3]
        pose[:3, 3] += 0.1 * random.standard_normal(3)
    return moved


def test_knocked_cameras_come_back_but_for_the_scale():
    random = np.random.default_rng(3)
    true = np.linalg.inv(RIG.fixed_from_camera)
    points = random.uniform([-1, -1, 0], [1, 1, 1.8], (40, 3))
    rays = seen(points, true)
    found = adjust(knocked(true, random), points + 0.1 * random.standard_normal(points.shape), rays)
    assert found.off.max() < 1e-2
    relative = [poses @ np.linalg.inv(poses[0]) for poses in (found.camera_from_world, true)]
    np.testing.assert_allclose(relative[0][:, :3, :3], relative[1][:, :3, :3], atol=1e-3)
    sizes = np.linalg.norm(relative[0][1:, :3, 3], axis=1) / np.linalg.norm(relative[1][1:, :3, 3], axis=1)
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-3)
    np.testing.assert_array_equal(found.camera_from_world[0], true[0])


def test_a_step_is_gauss_and_newton_s_of_the_whole_problem():
    """With the points eliminated it is what solving for everything at once gives."""
    random = np.random.default_rng(4)
    true = np.linalg.inv(RIG.fixed_from_camera)
    points = random.uniform([-1, -1, 0], [1, 1, 1.8], (12, 3))
    rays, poses = seen(points, true), knocked(true, random)
    free, loose, damping = np.array([1, 2]), 1e6, 0.1  # so loose that every ray counts the same

    def residual(values: np.ndarray) -> np.ndarray:
        moved = poses.copy()
        for index, (turn, shift) in zip(free, values[:12].reshape(2, 2, 3)):
            rotation = Rotation.from_rotvec(turn).as_matrix()
            moved[index, :3, :3] = rotation @ poses[index, :3, :3]
            moved[index, :3, 3] = rotation @ poses[index, :3, 3] + shift
        _, there = _off(moved, points + values[12:].reshape(-1, 3), rays)
        return ((there[:, :2] / there[:, 2:] - rays.place) / (loose * rays.tolerance[:, None])).reshape(-1)

    count, small = 12 + points.size, 1e-6
    jacobian = np.stack([(residual(small * axis) - residual(-small * axis)) / (2 * small) for axis in np.eye(count)], axis=1)
    normal = jacobian.T @ jacobian
    normal += damping * np.diag(np.diag(normal)) + 1e-9 * np.eye(count)
    expected = np.linalg.solve(normal, -jacobian.T @ residual(np.zeros(count)))
    off, there = _off(poses, points, rays)
    turned, moved = _step(poses, points, rays, free, there, off, loose, damping)
    np.testing.assert_allclose(np.concatenate([turned.reshape(-1), moved.reshape(-1)]), expected, rtol=1e-3, atol=1e-6)

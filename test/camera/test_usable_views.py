"""Which views can be used: what was found of a pose is found again, and nobody changes it for the others."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import View, usable

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def view(pose, K=K):
    return View(np.zeros((480, 640, 3), np.uint8), Calibration("cam", "optical", 640, 480, K), 1.0, pose)


def turned(rounding=0.0):
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, rounding], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = 1, 2, 3
    return pose


def test_a_pose_loses_its_rounding_errors_in_every_set():
    for _ in range(2):
        (camera,), left_out = usable([view(turned(rounding=1e-4))], several=True)
        rotation = camera.fixed_from_camera[:3, :3]
        assert not left_out and np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-14
        np.testing.assert_array_equal(camera.fixed_from_camera[:3, 3], [1, 2, 3])
        camera.fixed_from_camera[:] = np.nan  # it is this set's own


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(np.diag([1.0, 1, -1, 1]), "no rigid motion"), (np.full((4, 4), np.nan), "finite"), (np.eye(3), "4 x 4")],
)
def test_a_pose_that_is_none_is_told_in_every_set(wrong, said):
    for _ in range(2):
        cameras, left_out = usable([view(wrong)], several=True)
        assert not cameras and said in left_out["cam"]


def test_a_lens_that_is_none_is_told_in_every_set():
    broken = view(turned(), K=np.zeros((3, 3)))
    for _ in range(2):
        cameras, left_out = usable([broken], several=True)
        assert not cameras and "focal length" in left_out["cam"]

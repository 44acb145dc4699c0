"""The file that says where cameras stand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.rig import Rig, camera_of, differences, differences_laid, read_rig, tables_of, write_rig
from refit_ros.core.errors import InputError


def rig() -> Rig:
    K = np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]])
    lenses = (
        Calibration("left/rgb", "left_optical", 640, 480, K, "rational_polynomial", np.arange(8) / 100),
        Calibration("right", "right_optical", 1280, 720, K),
    )
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[0, :3, :3] = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    poses[0, :3, 3] = 1.5, -2.25, 0.125
    return Rig(lenses, "room", poses, np.array([2.5, 3.0]), np.array([0.9, 0.8]))


def test_what_is_written_is_read(tmp_path):
    write_rig(tmp_path / "rig.toml", rig())
    found = read_rig(tmp_path / "rig.toml")
    assert found.fixed_frame == "room"
    np.testing.assert_allclose(found.fixed_from_camera, rig().fixed_from_camera, atol=1e-12)
    for one, other in zip(found.calibrations, rig().calibrations):
        assert (one.name, one.frame_id, one.width_px, one.height_px) == (
            other.name,
            other.frame_id,
            other.width_px,
            other.height_px,
        )
        assert one.distortion_model == other.distortion_model
        np.testing.assert_array_equal(one.K, other.K)
        np.testing.assert_array_equal(one.coefficients, other.coefficients)


def test_the_pose_is_the_camera_s_as_anipose_means_it(tmp_path):
    """rotation and translation take a point of the world into the camera."""
    path = tmp_path / "cameras.toml"
    path.write_text(
        '[a]\nname = "a"\nsize = [64, 48]\nmatrix = [[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]\ndistortions = [0, 0, 0, 0]\n'
        "rotation = [0.0, 0.0, 1.5707963267948966]\ntranslation = [1.0, 2.0, 3.0]\n[metadata]\nerror = 0.0\n"
    )
    tables = tables_of(path)
    _, pose = camera_of("a", tables["a"], path)
    np.testing.assert_allclose(np.linalg.inv(pose) @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)
    assert camera_of("a", {k: v for k, v in tables["a"].items() if k not in ("rotation", "translation")}, path)[1] is None


def test_differences_are_seen_from_one_camera():
    one, moved = rig(), rig()
    shift = np.eye(4)
    shift[:3, :3] = Rotation.from_rotvec([0, 0, 0.7]).as_matrix()
    shift[:3, 3] = 5, 6, 7
    moved = Rig(one.calibrations, "other", shift @ moved.fixed_from_camera)
    degrees, metres = differences(one, moved)
    np.testing.assert_allclose(degrees, 0, atol=1e-5)
    np.testing.assert_allclose(metres, 0, atol=1e-12)
    moved.fixed_from_camera[1, :3, :3] @= Rotation.from_rotvec([0, np.radians(3), 0]).as_matrix()
    moved.fixed_from_camera[1, :3, 3] += shift[:3, :3] @ [0.03, 0, 0.04]
    degrees, metres = differences(one, moved)
    assert degrees[1] == pytest.approx(3) and metres[1] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("fixed_frame", "frame", "names no fixed_frame"),
        ("[metadata]", "[metadata", "no TOML"),
        ("matrix = ", "matriz = ", "holds no camera"),
        ("translation = ", "transl = ", "lacks"),
        ("size = [640, 480]", "size = [640]", "needs size"),
        ("size = [640, 480]", "size = [inf, 480]", "needs size"),
        ("size = [640, 480]", "size = [0, 480]", "image of 0 x 480 px"),
        ("matrix = [[", "matrix = [[1e-300, 0, 3], [0, 1e-300, 2], [0, 0, 1]]\nmatrix_2 = [[", "sees 180"),
        ("matrix = [[", "matrix = [[6, 0, 3], [0, 6]]\nmatrix_2 = [[", "needs size"),
        ("distortions = [", "distortions = [nan, ", "not finite"),
        ("translation = [", "translation = [inf, 0, 0]\nshift = [", "stands nowhere"),
        ("fisheye = false", "fisheye = true", "fisheye"),
        ("translation = [", "translation = [nan, 0.0, 0.0] #", "not finite"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, before, after, said):
    path = tmp_path / "rig.toml"
    write_rig(path, rig())
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(InputError, match=said):
        read_rig(path)


def test_laid_onto_each_other_no_camera_is_taken_for_right():
    """Of four cameras one is off: seen from it all others are, and laid onto each other each has its share."""
    K = np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]])
    lenses = tuple(Calibration(f"cam{i}", f"cam{i}_optical", 640, 480, K) for i in range(4))
    poses, off = np.tile(np.eye(4), (4, 1, 1)), np.eye(4)
    poses[:, :3, :3] = Rotation.from_rotvec([[0.1, 0.5 * i, -0.2] for i in range(4)]).as_matrix()
    poses[:, :3, 3] = [[3, 0, 1], [0, 3, 1], [-3, 0, 2], [0, -3, 2]]
    wrong = poses.copy()
    wrong[0, :3, :3] = Rotation.from_rotvec([0, 0, np.radians(2.0)]).as_matrix() @ poses[0, :3, :3]
    off[:3, :3], off[:3, 3] = Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix(), (5, 6, 7)
    one, other = Rig(lenses, "here", off @ wrong), Rig(lenses, "there", poses)
    np.testing.assert_allclose(differences(one, other, 0)[0], [0, 2, 2, 2], atol=1e-3)
    degrees, metres = differences_laid(one, other)
    np.testing.assert_allclose(degrees, [1.5, 0.5, 0.5, 0.5], atol=1e-3)
    assert metres.max() < 3 * np.radians(0.5) + 1e-3
    np.testing.assert_allclose(differences_laid(Rig(lenses, "here", off @ poses), other), 0, atol=1e-5)

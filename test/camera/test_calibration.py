"""Pixels of real lenses: against OpenCV's own projection, to 0.1 px."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from refit_ros.camera.calibration import Calibration

K = np.array([[520.0, 0, 310], [0, 505.0, 250], [0, 0, 1]])
LENSES = {
    "plumb_bob": [-0.32, 0.11, 0.001, -0.0007, -0.02],
    "rational_polynomial": [0.6, -0.4, 0.0008, 0.0003, 0.05, 0.9, -0.35, 0.02],
    "thin_prism": [0.6, -0.4, 0.0008, 0.0003, 0.05, 0.9, -0.35, 0.02, 0.002, -0.001, 0.001, 0.0005],
    "tilted": [0.2, -0.1, 0.0008, 0.0003, 0.05, 0.3, -0.1, 0.02, 0.002, -0.001, 0.001, 0.0005, 0.03, -0.02],
    "equidistant": [-0.03, 0.006, -0.002, 0.0004],
}


def lens(kind: str) -> Calibration:
    model = kind if kind in ("plumb_bob", "equidistant") else "rational_polynomial"
    return Calibration("c", "c_optical", 640, 480, K, model, np.array(LENSES[kind]))


def scene_points() -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.uniform(1, 8, (500, 1))
    return np.concatenate([rng.uniform([-0.6, -0.45], [0.6, 0.45], (500, 2)) * z, z], 1)


def opencv_px(camera: Calibration, points: np.ndarray) -> np.ndarray:
    zero = np.zeros(3)
    if camera.distortion_model == "equidistant":
        return cv2.fisheye.projectPoints(points[:, None], zero, zero, K, camera.D)[0].reshape(-1, 2)
    return cv2.projectPoints(points[:, None], zero, zero, K, camera.D)[0].reshape(-1, 2)


@pytest.mark.parametrize("kind", LENSES)
def test_projects_as_opencv_does(kind):
    points = scene_points()
    assert np.abs(lens(kind).project(points) - opencv_px(lens(kind), points)).max() < 0.01


@pytest.mark.parametrize("kind", LENSES)
def test_undistorts_what_opencv_distorted(kind):
    points = scene_points()
    camera = lens(kind)
    pinhole = points[:, :2] / points[:, 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]
    raw = opencv_px(camera, points)
    # Points that this lens puts far outside its image are nobody's business.
    inside = (raw > -20).all(1) & (raw < [660, 500]).all(1)
    assert inside.sum() > 300
    assert np.abs(camera.undistort_px(raw) - pinhole)[inside].max() < 0.1
    assert np.abs(camera.distort_px(pinhole) - raw).max() < 0.1


@pytest.mark.parametrize("kind", LENSES)
def test_square_pixels_and_back(kind):
    raw = np.random.default_rng(1).uniform([20, 20], [620, 460], (200, 2))
    camera = lens(kind)
    assert np.abs(camera.raw_from_square_px(camera.square_from_raw_px(raw)) - raw).max() < 0.1


def test_plain_pinhole_changes_nothing():
    camera = Calibration("c", "c", 640, 480, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
    points = np.array([[3.0, 4.0], [600.0, 2.0]])
    assert camera.is_plain and not lens("plumb_bob").is_plain
    for convert in (camera.undistort_px, camera.distort_px, camera.square_from_raw_px, camera.raw_from_square_px):
        assert np.array_equal(convert(points), points)


def test_roi_and_binning_move_the_same_point():
    point = np.array([[0.2, -0.1, 3.0]])
    full = Calibration.from_camera_info_fields("c", "c", 1280, 960, [900, 0, 640, 0, 880, 480, 0, 0, 1])
    part = Calibration.from_camera_info_fields(
        "c",
        "c",
        1280,
        960,
        [900, 0, 640, 0, 880, 480, 0, 0, 1],
        binning_x=2,
        binning_y=2,
        roi_x_offset=100,
        roi_y_offset=60,
        roi_width=800,
        roi_height=600,
    )
    assert (part.width_px, part.height_px) == (400, 300)
    assert np.allclose(part.project(point), (full.project(point) - [100, 60]) / 2)


@pytest.mark.parametrize(
    "k",
    [[0, 0, 1, 0, 5, 1, 0, 0, 1], [float("nan"), 0, 1, 0, 5, 1, 0, 0, 1], [-5, 0, 1, 0, 5, 1, 0, 0, 1], [0] * 9, [1, 2, 3]],
)
def test_unusable_intrinsics_are_refused_in_a_sentence(k):
    with pytest.raises(ValueError, match="camera front: "):
        Calibration.from_camera_info_fields("front", "f", 640, 480, k)


def test_unusable_distortion_and_size_are_refused():
    good = [500, 0, 320, 0, 500, 240, 0, 0, 1]
    with pytest.raises(ValueError, match="unknown"):
        Calibration.from_camera_info_fields("c", "f", 640, 480, good, [0.1], "mirror_ball")
    with pytest.raises(ValueError, match="coefficients"):
        Calibration.from_camera_info_fields("c", "f", 640, 480, good, [0.1] * 15, "plumb_bob")
    with pytest.raises(ValueError, match="finite"):
        Calibration.from_camera_info_fields("c", "f", 640, 480, good, [float("nan")])
    with pytest.raises(ValueError, match="0 x 480"):
        Calibration.from_camera_info_fields("c", "f", 0, 480, good)


@pytest.mark.parametrize("kind", LENSES)
def test_nothing_becomes_infinite(kind):
    camera = lens(kind)
    wild = np.array([[1e9, -1e9], [-5000, 7000], [0, 0], [310, 250]], float)
    for convert in (camera.undistort_px, camera.distort_px, camera.square_from_raw_px, camera.raw_from_square_px):
        assert np.isfinite(convert(wild)).all()
    behind = np.array([[0, 0, -1.0], [0, 0, 0], [1e8, 0, 1e-9]])
    assert np.isfinite(camera.project(behind)).all()
    assert not camera.sees(behind).any()


def test_points_far_outside_are_not_folded_back_into_the_image():
    camera = lens("plumb_bob")
    angle = np.linspace(0.9, 1.5, 50)
    points = np.stack([np.tan(angle), np.zeros(50), np.ones(50)], -1)
    assert not camera.sees(points).any()
    assert camera.sees(np.array([[0, 0, 2.0]]))[0]


GOOD_K = [500, 0, 320, 0, 500, 240, 0, 0, 1]
RATIONAL = [0.6, -0.4, 0.0008, 0.0003, 0.05, 0.9, -0.35, 0.02]


@pytest.mark.parametrize(
    "model, d, meant, kept",
    [
        ("plumb_bob", [-0.3, 0.1, 0.001, 0, -0.02, 0, 0, 0], "plumb_bob", [-0.3, 0.1, 0.001, 0, -0.02]),
        ("plumb_bob", RATIONAL, "rational_polynomial", RATIONAL),
        ("plumb_bob", [*RATIONAL, 0, 0, 0, 0, 0.01, 0], "rational_polynomial", [*RATIONAL, 0, 0, 0, 0, 0.01, 0]),
        ("rational_polynomial", [*RATIONAL, *[0] * 10], "rational_polynomial", [*RATIONAL, *[0] * 6]),
        ("equidistant", [0.1, 0, 0, 0, 0], "equidistant", [0.1, 0, 0, 0]),
        ("equidistant", [0, 0, 0, 0, 0], "equidistant", [0, 0, 0, 0]),
        ("fisheye", [0.1, 0.2, 0.3, 0.4], "equidistant", [0.1, 0.2, 0.3, 0.4]),
        ("KANNALA_BRANDT4", [0.1, 0.2, 0.3, 0.4], "equidistant", [0.1, 0.2, 0.3, 0.4]),
        ("KannalaBrandt8", [0.1, 0.2, 0.3, 0.4], "equidistant", [0.1, 0.2, 0.3, 0.4]),
        ("Brown Conrady", [-0.3, 0.1, 0, 0, 0], "plumb_bob", [-0.3, 0.1, 0, 0, 0]),
        ("radtan", [-0.3, 0.1, 0, 0], "plumb_bob", [-0.3, 0.1, 0, 0]),
        ("OPENCV", [-0.3, 0.1, 0, 0], "plumb_bob", [-0.3, 0.1, 0, 0]),
        ("FULL_OPENCV", RATIONAL, "rational_polynomial", RATIONAL),
        ("inverse_brown_conrady", [0, 0, 0, 0, 0], "plumb_bob", []),
        ("none", [], "plumb_bob", []),
        ("", [], "plumb_bob", []),
    ],
)
def test_what_drivers_and_tools_write_is_understood(model, d, meant, kept):
    camera = Calibration.from_camera_info_fields("c", "f", 640, 480, GOOD_K, d, model)
    assert camera.distortion_model == meant and np.array_equal(camera.coefficients, kept)


@pytest.mark.parametrize(
    "model, d, says",
    [
        ("equidistant", [0.1, 0.2, 0.3, 0.4, 0.5], "up to 4"),
        ("inverse_brown_conrady", [0.1, 0, 0, 0, 0], "unknown"),
        ("none", [0.1], "unknown"),
        ("mirror_ball" * 1000, [0.1], "unknown"),
        ("plumb_bob", [1e300, 0, 0, 0, 0], "beyond"),
        ("plumb_bob", [0.1] * 12 + [1.57, 0], "tilts"),
        ("plumb_bob", [0, 0, 0, 0, 0, float("inf")], "finite"),
        ("plumb_bob", [-10, 0, 0, 0, 0], "says nothing of 9. % of the image"),
        ("plumb_bob", [0, -3.0, 0, 0, 0], "another lens's or another size's"),
        ("equidistant", [-3.0, 0, 0, 0], "says nothing of"),
    ],
)
def test_a_lens_that_cannot_be_understood_is_refused_in_a_sentence(model, d, says):
    with pytest.raises(ValueError, match=says) as refused:
        Calibration.from_camera_info_fields("front", "f", 640, 480, GOOD_K, d, model)
    assert str(refused.value).startswith("camera front: ") and len(str(refused.value)) < 250


@pytest.mark.parametrize(
    "index, value",
    [
        *[(0, 1e-308), (4, 1e-308), (0, 1e300), (0, 2.0), (4, 1e6), (2, 1e7), (5, -1e5), (1, 1e9)],
        *[(3, 77.0), (6, 5.0), (7, 1.0), (8, 2.0), (8, -1.0), (4, 40.0)],
    ],
)
def test_finite_intrinsics_of_no_camera_are_refused(index, value):
    k = list(map(float, GOOD_K))
    k[index] = value
    with pytest.raises(ValueError, match="camera front: .*calibrate"):
        Calibration.from_camera_info_fields("front", "f", 640, 480, k)


@pytest.mark.parametrize(
    "model, d, focal_px",
    [
        ("plumb_bob", [-0.35, 0.12, 0, 0, 0], 300),
        ("plumb_bob", [-0.3, 0, 0, 0, 0], 400),  # says nothing of the corners
        ("rational_polynomial", RATIONAL, 350),
        ("equidistant", [0.1, -0.05, 0.01, -0.003], 180),  # sees more than a pinhole can
        ("equidistant", [0, 0, 0, 0], 150),
    ],
)
def test_wide_lenses_whose_corners_are_unsure_are_taken(model, d, focal_px):
    k = [focal_px, 0, 320, 0, focal_px, 240, 0, 0, 1]
    assert Calibration.from_camera_info_fields("c", "f", 640, 480, k, d, model).distorted


@pytest.mark.parametrize("focal_mm, sensor_mm, width_px", [(3.6, 6.4, 640), (16, 13.2, 1920), (50, 36, 640)])
def test_intrinsics_in_millimetres_are_refused_as_such(focal_mm, sensor_mm, width_px):
    k = [focal_mm, 0, sensor_mm / 2, 0, focal_mm, sensor_mm * 3 / 8, 0, 0, 1]
    with pytest.raises(ValueError, match="K is in px: are these millimetres"):
        Calibration.from_camera_info_fields("front", "f", width_px, width_px * 3 // 4, k)


@pytest.mark.parametrize("focal_px, width_px", [(60.0, 640), (360000.0, 640), (60.0, 64)])
def test_very_wide_and_very_long_lenses_are_taken(focal_px, width_px):
    k = [focal_px, 0, width_px / 2, 0, focal_px, width_px / 2, 0, 0, 1]
    assert Calibration.from_camera_info_fields("c", "f", width_px, width_px, k).focal_px == pytest.approx(focal_px)

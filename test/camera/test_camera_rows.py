"""Cameras in rows do as each camera does by itself, whatever its lens."""

import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import median_of_known
from refit_ros.camera.views import Camera


def cameras() -> list[Camera]:
    dice = np.random.default_rng(4)
    lenses = [
        ("plumb_bob", None, 1.0),
        ("plumb_bob", np.array([-0.3, 0.1, 0.001, -0.002, 0.0]), 1.1),
        ("plumb_bob", np.array([-0.12, 0.0, 0.0, 0.0, 0.0]), 1.0),  # folds points far outside back into the image
        ("equidistant", np.array([0.05, -0.01, 0.0, 0.0]), 1.0),
        ("rational_polynomial", np.array([0.2, 0.1, 0.001, 0.0, 0.01, 0.3, 0.1, 0.02]), 0.9),
    ]
    found = []
    for number, (model, D, stretched) in enumerate(lenses):
        K = np.array([[400.0 + 20 * number, 2.0 * number, 310], [0, stretched * (400 + 20 * number), 250], [0, 0, 1]])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = Rotation.random(random_state=number).as_matrix(), dice.normal(size=3)
        found.append(Camera(None, Calibration(str(number), "o", 640 + number, 480, K, model, D), 0.0, pose, None))
    return found


def test_all_at_once_is_each_by_itself():
    points = np.random.default_rng(5).normal(0, 3, (2000, 3))
    each, rows = cameras(), CameraRows.of(cameras())
    inside = rows.to_camera(points)
    assert np.allclose(inside, [camera.to_camera(points) for camera in each], atol=1e-12)
    wanted = [camera.calibration.project(own) for camera, own in zip(each, inside)]
    assert np.allclose(rows.project(inside), wanted, rtol=1e-12)
    seen = rows.sees(inside)
    assert (seen == [camera.calibration.sees(own) for camera, own in zip(each, inside)]).all()
    assert seen.any(1).all() and not seen.all(1).any()
    assert np.allclose(rows.focal_px, [camera.calibration.focal_px for camera in each])
    assert np.allclose(rows.principal_px, [camera.calibration.principal_px for camera in each])


def test_some_of_them_in_another_order():
    rows, each = CameraRows.of(cameras())[[2, 0]], cameras()
    points = np.random.default_rng(6).normal(0, 3, (5, 3))
    assert [camera.name for camera in rows.cameras] == ["2", "0"] and len(rows) == 2
    assert np.allclose(rows.to_camera(points), [each[2].to_camera(points), each[0].to_camera(points)])
    assert len(CameraRows.of([])) == 0 and CameraRows.of([]).to_camera(points).shape == (0, 5, 3)


def test_a_median_is_of_what_is_known():
    values = np.random.default_rng(7).normal(size=(6, 9, 2))
    values[np.random.default_rng(8).random(values.shape) < 0.4] = np.nan
    for axis in (0, 1, 2):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = np.nanmedian(values, axis=axis)
        assert np.allclose(median_of_known(values, axis), wanted, equal_nan=True)
    assert np.isnan(median_of_known(np.full((3, 1), np.nan), 0)).all()

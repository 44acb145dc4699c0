"""One place from many views."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import ring

from refit_ros.camera.views import Camera
from refit_ros.estimation.fuse import fuse


def cameras(count: int) -> list[Camera]:
    return [Camera(np.zeros((1, 1, 3), np.uint8), calibration, 0.0, pose, None) for calibration, pose in ring(count)]


def body_points(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform([-0.4, -0.3, -0.9], [0.4, 0.3, 0.8], (24, 3))


def seen(points: np.ndarray, views: list[Camera]) -> list[np.ndarray]:
    return [view.calibration.project_square(view.to_camera(points)) for view in views]


@pytest.mark.parametrize("count", range(1, 9))
def test_the_true_place_from_any_number_of_views(count):
    truth, views = np.array([0.4, -0.3, 0.95]), cameras(count)
    fused = fuse(body_points(), seen(body_points() + truth, views), views)
    assert np.abs(fused.transl - truth).max() < 1e-4
    assert fused.residual_px.max() < 0.05


@pytest.mark.parametrize("count", [1, 2])
def test_people_are_where_they_are_wherever_a_map_begins(count):
    """UTM's numbers: what one camera hardly knows, the distance, must not be drawn to a far origin."""
    offset = np.array([5e5, 5.3e6, 400.0])
    truth, views = np.array([0.4, -0.3, 0.95]), cameras(count)
    for view in views:
        view.fixed_from_camera[:3, 3] += offset
    fused = fuse(body_points(), seen(body_points() + truth + offset, views), views)
    assert np.abs(fused.transl - truth - offset).max() < 1e-3


def test_more_views_are_better_than_one():
    truth, views = np.array([0.2, 0.1, 0.95]), cameras(4)
    rng = np.random.default_rng(1)
    errors = {1: [], 4: []}
    for _ in range(40):
        # A view mistakes the size, and so the depth, by a tenth, and the place by some pixels.
        noisy = []
        for pixels in seen(body_points() + truth, views):
            middle = pixels.mean(0)
            noisy.append((pixels - middle) * (1 + rng.normal(0, 0.1)) + middle + rng.normal(0, 3, 2))
        for count in errors:
            errors[count].append(np.linalg.norm(fuse(body_points(), noisy[:count], views[:count]).transl - truth))
    assert np.median(errors[4]) < np.median(errors[1]) / 3


def test_one_bad_view_neither_pulls_nor_hides():
    truth, views = np.array([0.2, 0.1, 0.95]), cameras(4)
    pixels = seen(body_points() + truth, views)
    pixels[2] = pixels[2] + [60, -20]
    fused = fuse(body_points(), pixels, views)
    assert np.linalg.norm(fused.transl - truth) < 0.01
    assert fused.residual_px[2] > 40 and np.delete(fused.residual_px, 2).max() < 5
    assert fused.weights[2] < 0.1


def test_finite_where_the_views_make_no_sense():
    views = cameras(3)
    rng = np.random.default_rng(0)
    for scale in (1e3, 1e5):
        fused = fuse(body_points(), [rng.normal(0, scale, (24, 2)) for _ in views], views)
        assert np.isfinite(fused.transl).all() and np.isfinite(fused.residual_px).all()
    fused = fuse(np.zeros((24, 3)), [np.full((24, 2), 320.0)], views[:1])  # a body of no size has no depth
    assert np.isfinite(fused.transl).all()

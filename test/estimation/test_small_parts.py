"""Settings, the latency budget, the overlay."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from oracle import Actor, Oracle, Stage, ring

from refit_ros.estimation.budget import Budget
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.estimation.settings import Settings


def test_every_setting_is_described_and_bounded():
    for entry in fields(Settings):
        assert entry.metadata["description"]
        if isinstance(entry.default, (int, float)) and not isinstance(entry.default, bool):
            low, high = entry.metadata["minimum"], entry.metadata["maximum"]
            assert low <= entry.default <= high
            for bad in (low - 1, high + 1, float("nan")):
                with pytest.raises(ValueError, match=entry.name):
                    Settings(**{entry.name: bad})


def test_the_budget_lowers_and_raises_the_iterations():
    budget = Budget(50.0)
    assert budget.iterations(5) == 5  # nothing is known yet
    for _ in range(30):
        budget.spent(0.020 + 5 * 0.015, 5 * 0.015, 5)
    assert budget.iterations(5) == 1
    for _ in range(60):
        budget.spent(0.020 + 0.003, 0.003, 1)
    assert budget.iterations(5) == 5
    for _ in range(60):
        budget.spent(0.9, 0.1, 1)
    assert budget.iterations(5) == 1  # never none
    assert Budget(0.0).iterations(7) == 7


def test_the_overlay_covers_the_person_and_leaves_the_rest():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    estimator = Estimator(Oracle(stage, 0, 0, 0), Settings(detector="topic"))
    for number in range(3):
        people = estimator.estimate(stage.views(number * 0.1))
    view = stage.views(0.2)[0]
    image = np.full((480, 640, 3), 100, np.uint8)
    drawn = draw_overlay(image, view.calibration, np.linalg.inv(view.fixed_from_camera), people, stage.body)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8 and (image == 100).all()
    x, y = view.calibration.project(stage.in_camera(0, 0))[[3, 6]].mean(0).astype(int)
    changed = (drawn != image).any(-1)
    assert changed[y - 5 : y + 5, x - 5 : x + 5].all() and not changed[:, :60].any() and 0.01 < changed.mean() < 0.2
    behind = np.linalg.inv(view.fixed_from_camera)
    behind[2, 3] -= 100
    assert np.array_equal(draw_overlay(image, view.calibration, behind, people, stage.body, mesh=True), image)
    assert np.array_equal(draw_overlay(image, view.calibration, np.eye(4), [], stage.body), image)

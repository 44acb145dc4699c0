"""What is drawn grows with the image and with the person."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from refit_ros.camera.calibration import Calibration
from refit_ros.core.body import load_body
from refit_ros.core.joints import PARENTS
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.estimation.types import Person

DARK = 30  # of the label's ground


def standing(body, depth_m: float) -> Person:
    rest = body.rest_joints(torch.zeros(1, 10))[0].double().numpy()
    joints = rest * [1, -1, -1] + [0, 0, depth_m]
    turned = np.tile(np.diag([1.0, -1, -1]), (len(PARENTS), 1, 1))
    return Person(
        3,
        0.9,
        np.zeros(10),
        np.array([np.pi, 0, 0]),
        np.zeros((23, 3)),
        joints[0] - rest[0],
        joints,
        turned,
        np.full(24, 0.02),
        np.ones(24, bool),
        (),
    )


def label_height_share(width_px: int, height_px: int, depth_m: float) -> float:
    body, focal_px = load_body(), 0.9 * width_px
    calibration = Calibration(
        "c", "c", width_px, height_px, np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]])
    )
    drawn = draw_overlay(
        np.full((height_px, width_px, 3), 120, np.uint8), calibration, np.eye(4), [standing(body, depth_m)], body, mesh=False
    )
    ground = (drawn == DARK).all(-1)
    rows = np.flatnonzero(ground.sum(1) > 0.02 * width_px)
    return len(rows) / height_px


@pytest.mark.parametrize("width_px, height_px", [(320, 240), (1280, 960), (6000, 4000)])
def test_labels_take_the_same_share_of_any_image(width_px, height_px):
    assert 0.02 < label_height_share(width_px, height_px, 3.0) < 0.08


def test_a_small_person_gets_a_smaller_label():
    assert label_height_share(1280, 960, 12.0) < label_height_share(1280, 960, 3.0)

"""Boxes of true people as a perfect detector would give them, for runs that are not about the detector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import around, clipped

BEYOND_JOINTS = 0.08  # of the joints' larger extent, on each side: skull, hands and soles lie outside their joints
LEAST_SEEN = 0.3  # share of the joints that lie in the image, below which a detector is not asked for the person
NEAREST_M = 0.3  # nor where a joint is nearer to the camera than this
CONFIDENCE = 0.9


def true_box(joints_m: np.ndarray, calibration: Calibration, fixed_from_camera: np.ndarray) -> np.ndarray | None:
    """(4,) px of the raw image, not cut down to it, around joints (24, 3) m of the fixed frame; None where unseen."""
    points = (np.asarray(joints_m, float) - fixed_from_camera[:3, 3]) @ fixed_from_camera[:3, :3]
    if points[:, 2].min() < NEAREST_M or calibration.sees(points).mean() < LEAST_SEEN:
        return None
    box = around(calibration.project(points))
    return box + BEYOND_JOINTS * (box[2:] - box[:2]).max() * np.array([-1, -1, 1, 1])


def true_boxes(people: Iterable, calibration: Calibration, fixed_from_camera: np.ndarray) -> Boxes:
    """Of everybody who is seen, in their order, cut down to the image; `people` have `joints` (24, 3) m."""
    size_px = calibration.width_px, calibration.height_px
    found = [true_box(person.joints, calibration, fixed_from_camera) for person in people]
    boxes = [clipped(box, *size_px) for box in found if box is not None]
    return Boxes(np.array(boxes).reshape(-1, 4), np.full(len(boxes), CONFIDENCE))

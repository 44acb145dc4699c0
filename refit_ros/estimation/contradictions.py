"""Boxes that lie where a camera's extrinsics put nobody: evidence that it stands elsewhere than it says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refit_ros.camera.geometry import clipped
from refit_ros.camera.views import Camera
from refit_ros.estimation.detections import Detections
from refit_ros.estimation.predicted_views import Prediction
from refit_ros.tracking.config import TrackerConfig


def contradictions(
    predictions: Sequence[Prediction], detections: Detections, cameras: Sequence[Camera], config: TrackerConfig
) -> dict[str, float]:
    """How far off, in px, boxes that nobody explains are from people who are not found where others see them.

    {camera: median}. With three cameras and more two others must have found somebody. Two cameras can only contradict each
    other: then both are named.
    """
    enough = 1 if len(cameras) == 2 else 2
    astray: dict[str, float] = {}
    for index in detections.boxes:
        calibration = cameras[index].calibration
        missing = [
            one.views[index]
            for one, found in zip(predictions, detections.found)
            if index in one.views and index not in found and len(found) >= enough
        ]
        missing = [view for view in missing if view.visible > config.least_visible]
        strange = np.array([box.raw_box for box in detections.unassigned if box.camera == index]).reshape(-1, 4)
        if len(cameras) == 2:  # whom each of the two sees is a person of their own then, and explains the box
            strange = detections.boxes[index].xyxy_px
        if missing and len(strange):
            expected = clipped(np.array([view.raw_box for view in missing]), calibration.width_px, calibration.height_px)
            between = (expected[:, None, :2] + expected[:, None, 2:] - strange[None, :, :2] - strange[None, :, 2:]) / 2
            astray[calibration.name] = float(np.median(np.linalg.norm(between, axis=-1).min(1)))
    if len(cameras) == 2 and astray:
        if any(len(found) == 2 for found in detections.found):
            return {}
        return {camera.name: min(astray.values()) for camera in cameras}
    return astray

"""Boxes of the synthetic people as a perfect detector would give them, for runs that are not about the detector."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from geometry_msgs.msg import Point32

if TYPE_CHECKING:
    from refit_ros.node.film import FilmCamera
    from refit_ros.synthetic.scenes import TruePerson

BEYOND_JOINTS = 0.1   # of the joints' extent: skull, hands and soles lie outside their joints


def boxes_in(camera: FilmCamera, people: tuple[TruePerson, ...]) -> np.ndarray:
    """(N, 4) px: left, top, right, bottom of those of whom the picture shows a joint."""
    calibration, found = camera.calibration, []
    for person in people:
        points = (np.asarray(person.joints) - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, :3]
        if calibration.sees(points).any():
            pixels = calibration.project(points)
            low, high = pixels.min(0), pixels.max(0)
            margin = BEYOND_JOINTS / 2 * (high - low).max()
            size = np.array([calibration.width_px, calibration.height_px])
            found.append([*np.clip(low - margin, 0, size), *np.clip(high + margin, 0, size)])
    return np.array(found).reshape(-1, 4)


def detections_message(kind: type, boxes_px: np.ndarray) -> Any:
    """The boxes as the refit node takes them: vision_msgs/Detection2DArray, or two corners each of a PolygonStamped."""
    message = kind()
    if hasattr(message, "polygon"):
        message.polygon.points = [Point32(x=x, y=y, z=1.0) for x, y in boxes_px.reshape(-1, 2).tolist()]
        return message
    from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose
    for left, top, right, bottom in boxes_px.tolist():
        detection, hypothesis = Detection2D(), ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "person", 1.0
        detection.results.append(hypothesis)
        detection.bbox.center.position.x, detection.bbox.center.position.y = (left + right) / 2, (top + bottom) / 2
        detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
        message.detections.append(detection)
    return message

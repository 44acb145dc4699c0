"""The true boxes of synthetic people as messages that the refit node takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Point32


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

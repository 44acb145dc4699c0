"""People's keypoints from what common libraries give. None of those libraries is imported: attributes decide.

| what | where the points are |
|---|---|
| `GivenKeypoints` | as they are |
| ultralytics `Results` of a pose model | `.keypoints.data` (N, K, 3), or `.keypoints.xy` with `.conf` |
| supervision `KeyPoints` | `.xy`, `.confidence` |
| MMPose `PoseDataSample`, or its `InstanceData` | `.pred_instances`: `.keypoints`, `.keypoint_scores` |
| an array (N, K, 3) | x, y px, score 0 .. 1 |

K tells the layout: 17 points are COCO's, 26 Halpe's, 33 BlazePose's. Without scores, points are taken for certain, but for
those at (0, 0), by which these libraries mean that a point is not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.core.landmarks import LAYOUTS
from refit_ros.detection.results import numpy_of

LAYOUT_OF = {len(names): layout for layout, names in LAYOUTS.items()}


def keypoints_from(result: Any) -> GivenKeypoints:
    """One image's people, px of that image, from any result of the table above; None means nobody.

    Raises ValueError with a sentence on anything else, and on points of another layout.
    """
    if isinstance(result, GivenKeypoints):
        return result
    if result is None:
        return _given(np.zeros((0, 17, 2)), None)
    if isinstance(result, (list, tuple)) and len(result) == 1 and not isinstance(result[0], (list, tuple, np.ndarray)):
        return keypoints_from(result[0])  # libraries answer one image with a list of one
    if hasattr(result, "pred_instances"):
        return keypoints_from(result.pred_instances)
    if hasattr(result, "keypoint_scores"):
        return _given(result.keypoints, result.keypoint_scores)
    found = getattr(result, "keypoints", result)
    if found is None:  # ultralytics' of a model that finds boxes alone
        raise ValueError(f"{type(result).__name__} holds no keypoints: is its model one for poses?")
    if hasattr(found, "xy"):
        return _given(found.xy, getattr(found, "conf", getattr(found, "confidence", None)))
    try:
        array = numpy_of(found)
    except (TypeError, ValueError):
        raise ValueError(
            f"{type(result).__name__} holds no keypoints that are known here (detection/keypoint_results.py)"
        ) from None
    if array.size == 0:
        return _given(np.zeros((0, 17, 2)), None)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"keypoints have shape {array.shape}: expected (N, K, 3): x, y px and a score of K points each")
    return _given(array[..., :2], array[..., 2])


def _given(place_px: Any, score: Any) -> GivenKeypoints:
    place = numpy_of(place_px)
    if place.size == 0:  # of nobody, in whatever shape
        place, score = np.zeros((0, 17, 2)), None
    if place.ndim != 3 or place.shape[1] not in LAYOUT_OF:
        known = ", ".join(f"{count} ({layout})" for count, layout in sorted(LAYOUT_OF.items()))
        raise ValueError(f"keypoints have shape {place.shape}: expected (N, K, 2) with K one of {known}")
    certain = (place != 0).any(-1).astype(float)
    sure = certain if score is None else numpy_of(score)
    if len(place) and (sure > 1).any():
        raise ValueError(f"a keypoint's score is {float(np.nanmax(sure)):g}: scores are 0 .. 1")
    return GivenKeypoints(place, sure, LAYOUT_OF[place.shape[1]])

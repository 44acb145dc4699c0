"""Small pieces of geometry in numpy: rotations, boxes, and bodies carried from one frame to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import PARENTS

SMALLEST_BODY_PX = 8.0  # smaller ones are taken for this, so that nothing is divided by next to nothing


def axis_angle_from_matrix(rotmats: np.ndarray) -> np.ndarray:
    """(..., 3, 3) to (..., 3) rad, angle 0 .. pi."""
    flat = Rotation.from_matrix(np.asarray(rotmats, np.float64).reshape(-1, 3, 3)).as_rotvec()
    return flat.reshape(*rotmats.shape[:-2], 3)


def matrix_from_axis_angle(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) rad to (..., 3, 3)."""
    flat = Rotation.from_rotvec(np.asarray(axis_angle, np.float64).reshape(-1, 3)).as_matrix()
    return flat.reshape(*np.shape(axis_angle), 3)


def along_the_tree(rotmats: np.ndarray) -> np.ndarray:
    """Rotations (24, 3, 3) relative to each parent, the first global, composed to global ones (24, 3, 3)."""
    composed = [rotmats[0]]
    for joint in range(1, len(PARENTS)):
        composed.append(composed[PARENTS[joint]] @ rotmats[joint])
    return np.stack(composed)


def mean_distance(points: np.ndarray, others: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(...,) of points (..., K, D) from others, each weighted (..., K); where nothing has a weight all count alike."""
    weight = weight + 1e-6
    return (np.linalg.norm(points - others, axis=-1) * weight).sum(-1) / weight.sum(-1)


def apart_either_way(points: np.ndarray, others: np.ndarray, weight: np.ndarray, mirrored: Sequence[int]) -> np.ndarray:
    """(M,) mean distance of one body's points (K, 2) px from others' (M, K, 2), weighted (M, K), in sizes of the larger;
    whichever side was taken for which. mirrored (K): the point on the other side."""
    size = [np.ptp(each, axis=-2).max(-1) for each in (points, others)]
    off = [mean_distance(points[order], others, weight) for order in (slice(None), list(mirrored))]
    return np.minimum(*off) / np.maximum(np.maximum(*size), 1.0)


def carried(
    transform: np.ndarray, global_rotmat: np.ndarray, transl: np.ndarray, rest_pelvis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A body under the rigid motion (A, a) = `transform` (4, 4): its new global rotation (3, 3) and translation (3,).

    SMPL turns about its root joint J0 (`rest_pelvis`): R -> A R, transl -> A (J0 + transl) + a - J0.
    """
    A, a = transform[:3, :3], transform[:3, 3]
    return A @ global_rotmat, A @ (rest_pelvis + transl) + a - rest_pelvis


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (M, 4), left top right bottom: (N, M)."""
    boxes, others = np.asarray(boxes, float).reshape(-1, 4), np.asarray(others, float).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    total = area(boxes)[:, None] + area(others)[None] - shared
    return shared / np.maximum(total, 1e-9)


def covered(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which share of each of `boxes` (N, 4) lies inside each of `others` (M, 4): (N, M)."""
    boxes, others = np.asarray(boxes, float).reshape(-1, 4), np.asarray(others, float).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=-1) / np.maximum(area(boxes)[:, None], 1e-9)


def area(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) to (N,); inverted boxes have none."""
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=-1)


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (..., 4) cut down to the image."""
    return np.clip(boxes, 0, [width, height, width, height])


def around(points_px: np.ndarray) -> np.ndarray:
    """Points (..., N, 2) to their box (..., 4)."""
    return np.concatenate([points_px.min(-2), points_px.max(-2)], axis=-1)


def size_px(points_px: np.ndarray) -> np.ndarray:
    """The longer side of the box around a body's points (..., N, 2), (...): what errors in an image are measured by."""
    return np.maximum(np.ptp(points_px, axis=-2).max(-1), SMALLEST_BODY_PX)


def median_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """As `np.nanmedian`, without its half a millisecond: NaN are not known, and a median of nothing is NaN."""
    ordered = np.sort(values, axis=axis)  # NaN last
    count = np.isfinite(values).sum(axis=axis, keepdims=True)
    middle = [np.take_along_axis(ordered, np.maximum(index, 0), axis) for index in ((count - 1) // 2, count // 2)]
    return ((middle[0] + middle[1]) / 2).squeeze(axis)

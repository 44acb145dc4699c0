"""Small pieces of geometry in numpy: rotations, boxes, and bodies carried from one frame to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import ABOVE

SMALLEST_BODY_PX = 8.0  # smaller ones are taken for this, so that nothing is divided by next to nothing


def axis_angle_from_matrix(rotmats: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) to (..., 3) rad, angle 0 .. pi.

    By the quaternion, its largest component first (Shepperd, J. Guidance and Control 1, 1978). SciPy's function makes each
    matrix a rotation beforehand, which takes most of its time; these are rotations already.
    """
    flat = np.asarray(rotmats, np.float64).reshape(-1, 9)
    products = (flat @ _QUATERNION_PRODUCTS).reshape(-1, 4, 4) + np.eye(4)
    largest = np.diagonal(products, axis1=1, axis2=2).argmax(1)
    quaternion = products[np.arange(len(flat)), largest]  # w, x, y, z, times four of its largest
    real, imaginary = np.abs(quaternion[:, 0]), quaternion[:, 1:] * np.where(quaternion[:, :1] < 0, -1.0, 1.0)
    length = np.sqrt((imaginary**2).sum(1))
    near_none = length < 1e-9 * real
    factor = np.where(near_none, 2.0, 2 * np.arctan2(length, real)) / np.where(near_none, real, length)
    return (imaginary * factor[:, None]).reshape(*np.shape(rotmats)[:-2], 3)


def matrix_from_axis_angle(axis_angle: np.ndarray) -> np.ndarray:
    """(..., 3) rad to (..., 3, 3)."""
    flat = Rotation.from_rotvec(np.asarray(axis_angle, np.float64).reshape(-1, 3)).as_matrix()
    return flat.reshape(*np.shape(axis_angle), 3)


def along_the_tree(rotmats: np.ndarray) -> np.ndarray:
    """Rotations (..., 24, 3, 3) relative to each parent, the first global, composed to global ones.

    Each round takes every joint's rotation twice as far up the tree (`joints.ABOVE`).
    """
    still = np.broadcast_to(np.eye(3), (*rotmats.shape[:-3], 1, 3, 3))  # where the tree ends nothing is turned
    composed = np.concatenate([rotmats, still], axis=-3)
    for above in ABOVE:
        composed = composed[..., above, :, :] @ composed
    return composed[..., :-1, :, :]


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
    return np.maximum(high - low, 0).prod(axis=-1) / np.maximum(area(boxes)[:, None], 1e-9)


def area(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) to (N,); inverted boxes have none."""
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    return np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=-1)


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (..., 4) cut down to the image."""
    return np.minimum(np.maximum(boxes, 0), [width, height, width, height])


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


def _quaternion_products() -> np.ndarray:
    """(9, 16): times a rotation matrix, and the identity added, 4 q q^T of its unit quaternion q = (w, x, y, z)."""
    products = np.zeros((4, 4, 3, 3))
    for which, signs in enumerate(((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))):
        products[which, which] = np.diag(signs)
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        products[0, 1 + axis, other, one], products[0, 1 + axis, one, other] = 1, -1
        low, high = 1 + min(one, other), 1 + max(one, other)
        products[low, high, one, other] = products[low, high, other, one] = 1
    upper = np.triu_indices(4, 1)
    products[upper[1], upper[0]] = products[upper]
    return products.reshape(16, 9).T.copy()


_QUATERNION_PRODUCTS = _quaternion_products()

"""Lens distortion on the plane z = 1: the models of OpenCV and ROS, forwards in closed form and inverted by Newton.

plumb_bob: k1 k2 p1 p2 [k3]; rational_polynomial: k1 k2 p1 p2 k3 k4 k5 k6 [s1 s2 s3 s4 [tau_x tau_y]] (OpenCV,
"Camera calibration and 3D reconstruction"); equidistant: k1 k2 k3 k4 of Kannala and Brandt (OpenCV's fisheye).
"""

from __future__ import annotations

import numpy as np

STEPS = 30
# A pinhole plane cannot hold rays at 90 degrees and more: they are put at this angle from the axis instead.
WIDEST_RAD = np.deg2rad(85.0)
FARTHEST = float(np.tan(WIDEST_RAD))
_ANGLES, _SAME = 200, 5e-3  # steps to look for a fold in; on the plane, what comes back to where it was


def distort(plane: np.ndarray, model: str, coefficients: np.ndarray) -> np.ndarray:
    """Where the lens puts rays (..., 2) = (x/z, y/z)."""
    if model == "equidistant":
        return _fisheye(plane, coefficients)
    k = np.zeros(14)
    k[: len(coefficients)] = coefficients
    x, y = plane[..., 0], plane[..., 1]
    # Numbers so far out that they would overflow are of no interest to anybody.
    x, y = np.clip(x, -1e6, 1e6), np.clip(y, -1e6, 1e6)
    r2 = x * x + y * y
    above = 1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))
    below = 1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7]))
    radial = above / np.where(np.abs(below) < 1e-9, 1e-9, below)
    u = x * radial + 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x) + k[8] * r2 + k[9] * r2 * r2
    v = y * radial + k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y + k[10] * r2 + k[11] * r2 * r2
    if k[12] or k[13]:
        u, v = _tilt(u, v, k[12], k[13])
    return np.clip(np.stack([u, v], -1), -1e6, 1e6)


def undistort(plane: np.ndarray, model: str, coefficients: np.ndarray) -> np.ndarray:
    """The rays (..., 2) that the lens puts at `plane`; never infinite, at most 85 degrees from the axis."""
    plane = np.asarray(plane, np.float64)
    if model == "equidistant":
        return _fisheye_inverse(plane, coefficients)
    target = plane.reshape(-1, 2)
    ray = target.copy()
    for _ in range(STEPS):
        error = distort(ray, model, coefficients) - target
        step = 1e-6
        dx = (distort(ray + [step, 0], model, coefficients) - error - target) / step
        dy = (distort(ray + [0, step], model, coefficients) - error - target) / step
        determinant = dx[:, 0] * dy[:, 1] - dx[:, 1] * dy[:, 0]
        # Past the fold of a polynomial there is no ray: the point stays where the last good step left it.
        good = determinant > 0.05
        safe = np.where(good, determinant, 1.0)
        move = (
            np.stack([dy[:, 1] * error[:, 0] - dy[:, 0] * error[:, 1], dx[:, 0] * error[:, 1] - dx[:, 1] * error[:, 0]], -1)
            / safe[:, None]
        )
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        ray = ray - move * good[:, None] * np.minimum(1.0, 0.3 / np.maximum(length, 1e-12))
        if not good.any() or (length[good] < 1e-9).all():
            break
    return np.clip(ray, -FARTHEST, FARTHEST).reshape(plane.shape)


def has_ray(plane: np.ndarray, model: str, coefficients: np.ndarray) -> np.ndarray:
    """(...,) bool: whether the lens puts a ray at a point (..., 2). Beyond where its polynomial folds there is none."""
    if model == "equidistant":
        bent = _angle(np.linspace(0, WIDEST_RAD, _ANGLES), coefficients)
        folds = np.flatnonzero(np.diff(bent) <= 0)
        # Without a fold it grows up to the widest angle, and what lies beyond is only wider.
        return np.linalg.norm(plane, axis=-1) <= (bent[folds[0]] if len(folds) else np.inf)
    back = distort(undistort(plane, model, coefficients), model, coefficients)
    return np.abs(back - plane).max(-1) < _SAME


def _tilt(u: np.ndarray, v: np.ndarray, tau_x: float, tau_y: float) -> tuple[np.ndarray, np.ndarray]:
    """Tilted sensor (Scheimpflug), as OpenCV's computeTiltProjectionMatrix."""
    cx, sx, cy, sy = np.cos(tau_x), np.sin(tau_x), np.cos(tau_y), np.sin(tau_y)
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    onto = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]]) @ turn
    point = np.stack([u, v, np.ones_like(u)], -1) @ onto.T
    depth = np.where(np.abs(point[..., 2]) < 1e-9, 1e-9, point[..., 2])
    return point[..., 0] / depth, point[..., 1] / depth


def _angle(theta: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    k = np.zeros(4)
    k[: len(coefficients)] = coefficients
    t2 = theta * theta
    return theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))


def _fisheye(plane: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    radius = np.linalg.norm(plane, axis=-1, keepdims=True)
    return plane * np.where(radius > 1e-9, _angle(np.arctan(radius), coefficients) / np.maximum(radius, 1e-9), 1.0)


def _fisheye_inverse(plane: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    bent = np.linalg.norm(plane, axis=-1, keepdims=True)
    # Bisection rather than Newton: the angle grows from 0 to the widest, wherever the polynomial is sound.
    low, high = np.zeros_like(bent), np.full_like(bent, WIDEST_RAD)
    for _ in range(50):
        middle = (low + high) / 2
        below = _angle(middle, coefficients) < bent
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return plane * np.where(bent > 1e-9, np.tan((low + high) / 2) / np.maximum(bent, 1e-9), 1.0)

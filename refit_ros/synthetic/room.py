"""A still room around the origin, as one camera sees it: floor, four walls, things on them."""

from __future__ import annotations

import numpy as np

from refit_ros.camera.calibration import Calibration

HALF_M, HEIGHT_M = 6.0, 3.4


def render_room(calibration: Calibration, world_from_camera: np.ndarray, seed: int) -> np.ndarray:
    """(H, W, 3) float32 0 .. 1, without people. Every camera of one seed sees the same room."""
    rng = np.random.default_rng([31, seed])
    columns, rows = np.meshgrid(np.arange(calibration.width_px), np.arange(calibration.height_px))
    K = calibration.K
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(columns.shape)], -1)
    rays = rays @ world_from_camera[:3, :3].T
    origin = world_from_camera[:3, 3]
    low, high = np.array([-HALF_M, -HALF_M, 0.0]), np.array([HALF_M, HALF_M, HEIGHT_M])
    with np.errstate(divide="ignore", invalid="ignore"):
        ways = np.where(rays > 0, (high - origin) / rays, np.where(rays < 0, (low - origin) / rays, np.inf))
    ways = np.where(ways <= 1e-6, np.inf, ways)
    axis = ways.argmin(-1)
    point = origin + rays * ways.min(-1)[..., None]
    colors = rng.uniform(0.35, 0.85, (6, 3)) * 0.5 + rng.uniform(0.35, 0.85, (6, 1)) * 0.5
    image = np.zeros(rays.shape)
    for wall in range(6):
        here = (axis == wall // 2) & ((np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0) == bool(wall % 2))
        a, b = [k for k in range(3) if k != wall // 2]
        image[here] = _wall(point[here][:, a], point[here][:, b], colors[wall], wall, rng)
    distance = np.linalg.norm(point - origin, axis=-1, keepdims=True)
    return (image * np.clip(1.15 - 0.03 * distance, 0.6, 1.2)).clip(0, 1).astype(np.float32)


def _wall(a: np.ndarray, b: np.ndarray, color: np.ndarray, wall: int, rng: np.random.Generator) -> np.ndarray:
    image = np.broadcast_to(color, (len(a), 3)).copy()
    pattern = rng.integers(3)
    size = rng.uniform(0.25, 0.8)
    if wall == 4:  # the floor: tiles, boards
        tile = (np.floor(a / size) + np.floor(b / (size if pattern else 4 * size))) % 2
        image *= (1 - 0.18 * tile)[:, None]
    elif pattern == 1:
        image *= (1 - 0.12 * (np.sin(a * 2 * np.pi / size) > 0.6))[:, None]
    for _ in range(3):  # soft blotches
        fx, fy, phase = rng.uniform(-2, 2), rng.uniform(-2, 2), rng.uniform(0, 6)
        image *= (1 + 0.05 * np.sin(fx * a + fy * b + phase))[:, None]
    if wall < 4:  # doors, cupboards, pictures
        for _ in range(6):
            ca, w = rng.uniform(-HALF_M, HALF_M), rng.uniform(0.15, 0.9)
            low, high = (0, rng.uniform(0.6, 2.1)) if rng.random() < 0.5 else np.sort(rng.uniform(0.8, 3, 2))
            here = (np.abs(a - ca) < w) & (b > low) & (b < high)
            image[here] = rng.uniform(0.08, 0.9, 3) * 0.6 + rng.uniform(0.05, 0.4)
            frame = here & ((np.abs(a - ca) > w - 0.04) | (b > high - 0.04))
            image[frame] *= 0.6
    return image

"""Stick figures who walk before cameras with known poses: what a perfect network, or a noisy one, would say of them."""

from __future__ import annotations

import numpy as np

from refit_ros.calibration.types import Track
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.rig import Rig

NAMES = (
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "nose",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
FIGURE_M = np.array(  # x forward, y left, z up, from the floor
    [
        [0, 0.12, 0.95], [0, -0.12, 0.95], [0, 0.12, 0.5], [0, -0.12, 0.5], [0, 0.12, 0.08], [0, -0.12, 0.08],
        [0.1, 0, 1.6], [0, 0.2, 1.45], [0, -0.2, 1.45], [0, 0.22, 1.15], [0, -0.22, 1.15], [0, 0.22, 0.9], [0, -0.22, 0.9],
    ]
)  # fmt: skip
_SWING = np.array([0, 0, 0.15, -0.15, 0.35, -0.35, 0, 0, 0, -0.15, 0.15, -0.3, 0.3])  # m forward at most
FOCAL_PX, SIZE_PX = 600.0, (640, 480)


def looking_at(place, target) -> np.ndarray:
    """(4, 4) world_from_camera of an optical frame at a place, z up in the world."""
    z = np.asarray(target, float) - place
    z /= np.linalg.norm(z)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), place
    return pose


def rig(*places) -> Rig:
    """Cameras at these places that look at the middle of the room."""
    K = np.array([[FOCAL_PX, 0, SIZE_PX[0] / 2], [0, FOCAL_PX, SIZE_PX[1] / 2], [0, 0, 1]])
    lenses = tuple(Calibration(f"cam{i}", f"cam{i}_optical", *SIZE_PX, K) for i in range(len(places)))
    return Rig(lenses, "world", np.array([looking_at(np.array(place, float), (0, 0, 0.9)) for place in places]))


def walker(moments: int, phase: float = 0.0, reach_m: float = 1.2, standing: bool = False) -> np.ndarray:
    """(T, 13, 3) m in the world: somebody on an eight, or on one spot."""
    angle = phase + np.linspace(0, 2 * np.pi, moments, endpoint=False)
    place = np.stack([reach_m * np.sin(angle), reach_m * np.sin(2 * angle) / 2, 0 * angle], axis=1)
    ahead = np.arctan2(np.cos(2 * angle), np.cos(angle))
    if standing:
        place, ahead = 0 * place, 0 * ahead
    stride = np.sin(9 * angle + phase)
    body = FIGURE_M + np.stack(
        [stride[:, None] * _SWING, 0 * stride[:, None] + 0 * _SWING, 0 * stride[:, None] + 0 * _SWING], -1
    )
    turn = np.zeros((moments, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(ahead)
    turn[:, 1, 0], turn[:, 0, 1] = np.sin(ahead), -np.sin(ahead)
    turn[:, 2, 2] = 1
    return np.einsum("tij,tkj->tki", turn, body) + place[:, None]


def track(points_m: np.ndarray, cameras: Rig, camera: int, noise: float = 0.0, depth: float = 0.0, seed: int = 0) -> Track:
    """noise: of each point in the image, in shares of the person's size; depth: by how much the camera errs in it."""
    random = np.random.default_rng([seed, camera])
    pose = np.linalg.inv(cameras.fixed_from_camera[camera])
    seen = points_m @ pose[:3, :3].T + pose[:3, 3]
    rays = seen[..., :2] / seen[..., 2:]
    size = np.ptp(rays, axis=1).max(1)
    rays = rays + noise * size[:, None, None] * random.standard_normal(rays.shape)
    middle = seen.mean(1, keepdims=True)
    guess = seen - middle + middle * (1 + depth * random.standard_normal((len(seen), 1, 1)))
    edge = np.array(SIZE_PX) / 2 / FOCAL_PX
    inside = ((np.abs(seen[..., :2] / seen[..., 2:]) < edge).all(-1) & (seen[..., 2] > 0)).astype(float)
    return Track(camera, np.arange(len(seen)), rays, inside, 0.012 * size, guess)


def tracks(people: list[np.ndarray], cameras: Rig, **faults) -> list[Track]:
    """Everybody in every camera."""
    return [
        track(points, cameras, camera, seed=index, **faults)
        for camera in range(len(cameras.calibrations))
        for index, points in enumerate(people)
    ]

"""A person of the embedded body who moves smoothly, with the sightings that a perfect estimate would give."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from refit_ros.core.body import Body, load_body
from refit_ros.motion.types import Sighting

RATE_HZ = 30.0
UPRIGHT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # z-up world from SMPL's rest pose: the face towards +x


@lru_cache(maxsize=1)
def body() -> Body:
    return load_body()


def moving(frames: int = 12, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """betas (10,), poses (T, 24, 3) rad, transl (T, 3) m: every joint turns evenly about an axis of its own."""
    rng = np.random.default_rng(seed)
    betas, start, change = rng.normal(0, 1, 10), rng.normal(0, 0.3, (24, 3)), rng.normal(0, 0.4, (24, 3))
    part = np.linspace(0, 1, frames)
    first = Rotation.from_rotvec(start)
    poses = np.array([(first * Rotation.from_rotvec(change * each)).as_rotvec() for each in part])
    poses[:, 0] = (Rotation.from_matrix(UPRIGHT) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    transl = np.array([1.0, -2.0, 0.9]) + part[:, None] * np.array([0.8, 0.3, 0.05])
    return betas, poses, transl


def joints_of(betas: np.ndarray, poses: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(T, 24, 3) m."""
    return posed(body().joints, betas, poses, transl)


def vertices_of(betas: np.ndarray, poses: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(T, V, 3) m."""
    return posed(body().vertices, betas, poses, transl)


def posed(function, betas, poses, transl) -> np.ndarray:
    rotmats = Rotation.from_rotvec(np.reshape(poses, (-1, 3))).as_matrix().reshape(len(poses), 24, 3, 3)
    shapes = np.broadcast_to(betas, (len(poses), 10))
    return function(*(torch.tensor(np.array(each), dtype=torch.float32) for each in (shapes, rotmats, transl))).numpy()


def sightings(frames: int = 12, seed: int = 3, person: int = 4, times_s: np.ndarray | None = None) -> list[Sighting]:
    betas, poses, transl = moving(frames, seed)
    times_s = 100 + np.arange(frames) / RATE_HZ if times_s is None else times_s
    joints = joints_of(betas, poses, transl)
    return [
        Sighting(time, person, 0.8, betas, pose[0], pose[1:].reshape(-1), place, at, "map", False, "refit_ros")
        for time, pose, place, at in zip(times_s, poses, transl, joints)
    ]

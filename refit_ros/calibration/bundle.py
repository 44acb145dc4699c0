"""Bundle adjustment: poses of cameras and points from the rays on which the cameras see the points.

Levenberg and Marquardt's method; the points are eliminated (Schur complement), so that a step solves for the cameras
alone. A ray that passes its point at d tolerances counts 1 / (1 + (d / loose)^2)^2 (Geman and McClure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from refit_ros.core.rotations import skew

NEAREST_M = 0.05  # what comes out nearer to a camera is taken to stand here
LOOSE = (12.0, 6.0, 3.0)  # in tolerances, one after the other: what fits badly at first may still pull
STEPS = 20  # at most, for each of them
SETTLED = 1e-5  # relative gain of a step that is none


@dataclass(frozen=True)
class Rays:
    """M rays; each camera has at most one to a point."""

    camera: np.ndarray  # (M,) int
    point: np.ndarray  # (M,) int
    place: np.ndarray  # (M, 2) x / z and y / z
    tolerance: np.ndarray  # (M,) in the same units
    weight: np.ndarray  # (M,) 0 .. 1

    def __len__(self) -> int:
        return len(self.camera)


@dataclass(frozen=True)
class Adjusted:
    camera_from_world: np.ndarray  # (C, 4, 4) m
    points_m: np.ndarray  # (N, 3)
    off: np.ndarray  # (M,) how far each ray passes its point, in tolerances


def adjust(
    camera_from_world: np.ndarray,
    points_m: np.ndarray,
    rays: Rays,
    held: int = 0,
    loose: Sequence[float] = LOOSE,
    steps: int = STEPS,
) -> Adjusted:
    """The poses (C, 4, 4) and points (N, 3) that fit best, from those given.

    Camera `held` stays where it is; steps: at most, for each of `loose`. The scale is free: it comes out near the one
    that was given.
    """
    poses, points = np.array(camera_from_world, float), np.array(points_m, float)
    free = np.array([index for index in range(len(poses)) if index != held])
    for each in loose:
        poses, points = _settled(poses, points, rays, free, each, steps)
    return Adjusted(poses, points, _off(poses, points, rays)[0])


def _settled(poses: np.ndarray, points: np.ndarray, rays: Rays, free: np.ndarray, loose: float, steps: int) -> tuple:
    damping, (off, seen) = 1e-3, _off(poses, points, rays)
    for _ in range(steps):
        cost = _cost(off, rays, loose)
        turned, moved = _step(poses, points, rays, free, seen, off, loose, damping)
        tried = poses.copy()
        tried[free, :3, :3] = Rotation.from_rotvec(turned[:, :3]).as_matrix() @ poses[free, :3, :3]
        tried[free, :3, 3] = np.einsum("cij,cj->ci", Rotation.from_rotvec(turned[:, :3]).as_matrix(), poses[free, :3, 3])
        tried[free, :3, 3] += turned[:, 3:]
        tried_off, tried_seen = _off(tried, points + moved, rays)
        better = cost - _cost(tried_off, rays, loose)
        if better < 0:
            damping *= 8
            if damping > 1e6:
                break
            continue
        poses, points, off, seen = tried, points + moved, tried_off, tried_seen
        damping = max(damping / 4, 1e-9)
        if better < SETTLED * cost:
            break
    return poses, points


def _off(poses: np.ndarray, points: np.ndarray, rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """(M,) tolerances, and (M, 3) m: the points in the cameras' frames."""
    own = poses[rays.camera]
    seen = np.einsum("mij,mj->mi", own[:, :3, :3], points[rays.point]) + own[:, :3, 3]
    far = np.maximum(seen[:, 2:], NEAREST_M)
    return np.linalg.norm(seen[:, :2] / far - rays.place, axis=1) / rays.tolerance, seen


def _cost(off: np.ndarray, rays: Rays, loose: float) -> float:
    squared = (off / loose) ** 2
    return float((rays.weight * squared / (1 + squared)).sum())


def _step(poses, points, rays: Rays, free, seen, off, loose: float, damping: float) -> tuple[np.ndarray, np.ndarray]:
    """(F, 6) turns (rad) and shifts (m) of the free cameras, in their own frames, and (N, 3) m of the points."""
    far = np.maximum(seen[:, 2], NEAREST_M)
    missing = rays.place - seen[:, :2] / far[:, None]
    trust = rays.weight / (1 + (off / loose) ** 2) ** 2 / (loose * rays.tolerance) ** 2
    by_seen = np.zeros((len(rays), 2, 3))
    by_seen[:, 0, 0] = by_seen[:, 1, 1] = 1 / far
    by_seen[:, :, 2] = -seen[:, :2] / far[:, None] ** 2
    by_point = by_seen @ poses[rays.camera, :3, :3]
    by_camera = np.concatenate([-by_seen @ skew(torch.from_numpy(seen)).numpy(), by_seen], axis=2)
    cameras, count = len(poses), len(points)
    trusted_point, trusted_camera = trust[:, None, None] * by_point, trust[:, None, None] * by_camera
    of_points = _summed(rays.point, by_point.transpose(0, 2, 1) @ trusted_point, count)
    of_cameras = _summed(rays.camera, by_camera.transpose(0, 2, 1) @ trusted_camera, cameras)[free]
    both = np.zeros((cameras, count, 6, 3))
    both[rays.camera, rays.point] = by_camera.transpose(0, 2, 1) @ trusted_point
    both = both[free]
    pull_points = _summed(rays.point, np.einsum("mij,mi->mj", trusted_point, missing), count)
    pull_cameras = _summed(rays.camera, np.einsum("mij,mi->mj", trusted_camera, missing), cameras)[free]
    of_points = of_points + damping * _diagonal(of_points) + 1e-9 * np.eye(3)
    of_cameras = of_cameras + damping * _diagonal(of_cameras) + 1e-9 * np.eye(6)
    back = np.linalg.inv(of_points)
    shared = both @ back  # (F, N, 6, 3)
    unknown = len(free)
    system = -np.einsum("cnik,dnjk->cidj", shared, both, optimize=True)
    system[np.arange(unknown), :, np.arange(unknown), :] += of_cameras
    right = pull_cameras - np.einsum("cnik,nk->ci", shared, pull_points, optimize=True)
    turned = np.linalg.solve(system.reshape(6 * unknown, 6 * unknown), right.reshape(-1)).reshape(unknown, 6)
    moved = np.einsum("nij,nj->ni", back, pull_points - np.einsum("cnik,ci->nk", both, turned, optimize=True))
    return turned, moved


def _diagonal(blocks: np.ndarray) -> np.ndarray:
    return blocks * np.eye(blocks.shape[-1])


def _summed(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count, ...): the values with the same index added up."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(index, column, count) for column in flat.T], axis=1)
    return sums.reshape(count, *values.shape[1:])

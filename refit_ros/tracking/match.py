"""Which detection of which camera is whom, from geometry alone.

Two detections of two cameras show the same person if the rays through their joints meet, at depths that agree with
the depth each estimate has on its own, and if both see the same pose, turned the same way in the room. How well they
agree is a Mahalanobis distance; a pair gains what that distance lies below a threshold. Detections are grouped so that the
gain summed over all pairs within groups is largest, with at most one detection of a camera in a group: correlation
clustering, solved by joining the best pair of groups first (greedy additive edge contraction, Keuper et al., ICCV 2015)
and then moving single detections for as long as that helps. So a group is consistent over all its pairs of cameras, not
only along a chain of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig

WORST = 4.0  # gates: a pair cannot count more against a group than this


@dataclass(frozen=True)
class Candidate:
    """One camera's estimate of somebody."""

    camera: int  # index into the set's cameras
    joints_m: np.ndarray  # (24, 3) in that camera's optical frame, by its own translation


def match(candidates: list[Candidate], cameras: Sequence[Camera], config: TrackerConfig) -> list[list[int]]:
    """Groups of indices into `candidates`, each one person; every candidate is in exactly one group."""
    if not candidates:
        return []
    gain = pair_gains(candidates, cameras, config)
    label = _contracted(gain)
    return _groups(_refined(gain, label))


def pair_gains(candidates: list[Candidate], cameras: Sequence[Camera], config: TrackerConfig) -> np.ndarray:
    """(N, N) symmetric: positive where two candidates fit, -inf for two of the same camera."""
    origin = np.stack([cameras[c.camera].fixed_from_camera[:3, 3] for c in candidates])
    points = np.stack([cameras[c.camera].to_fixed(c.joints_m) for c in candidates])
    depth = np.linalg.norm(points - origin[:, None], axis=-1)
    direction = (points - origin[:, None]) / np.maximum(depth, 1e-6)[..., None]
    first, second = np.triu_indices(len(candidates), 1)
    view = np.array([c.camera for c in candidates])
    gain = np.full((len(candidates),) * 2, -np.inf)
    keep = view[first] != view[second]
    first, second = first[keep], second[keep]
    if len(first):
        gate = config.gate_sigma**2
        rays = [(origin[side], direction[side], depth[side]) for side in (first, second)]
        cost = _meeting_cost(*rays[0], *rays[1], config) + _pose_cost(points[first], points[second], config)
        gain[first, second] = gain[second, first] = np.maximum(gate - cost, gate * (1 - WORST))
    return gain


def _meeting_cost(o1, d1, z1, o2, d2, z2, config: TrackerConfig) -> np.ndarray:
    """How badly rays (P, J) meet: least squares over the two distances s1, s2 along them, the median over the joints.

    |o1 + s1 d1 - o2 - s2 d2|^2 / ray^2 + ((s1 - z1) / (sigma z1))^2 + ((s2 - z2) / (sigma z2))^2, which stays
    well-posed for rays that run along each other (two cameras that face each other).
    """
    ray = 1 / config.bearing_sigma_m**2
    prior1, prior2 = 1 / (config.depth_sigma * z1) ** 2, 1 / (config.depth_sigma * z2) ** 2
    between = (o1 - o2)[:, None]
    cosine = (d1 * d2).sum(-1)
    along1, along2 = (d1 * between).sum(-1), (d2 * between).sum(-1)
    a, b, c = ray + prior1, -ray * cosine, ray + prior2
    right1, right2 = prior1 * z1 - ray * along1, prior2 * z2 + ray * along2
    determinant = np.maximum(a * c - b * b, 1e-12)
    s1, s2 = (c * right1 - b * right2) / determinant, (a * right2 - b * right1) / determinant
    gap = between + s1[..., None] * d1 - s2[..., None] * d2
    cost = ray * (gap**2).sum(-1) + prior1 * (s1 - z1) ** 2 + prior2 * (s2 - z2) ** 2
    return np.median(cost, axis=-1)


def _pose_cost(points1: np.ndarray, points2: np.ndarray, config: TrackerConfig) -> np.ndarray:
    """How far two estimates (P, 24, 3) of the fixed frame differ in pose and orientation: the mean over the joints.

    Beside another camera's, joints err about the pelvis as the pelvis errs across the ray. Sizes are made equal: a view that
    mistakes the person's height mistakes all of the body with it, and its depth, which the rays answer for.
    """
    about1, about2 = points1 - points1[:, :1], points2 - points2[:, :1]
    size1, size2 = (np.sqrt((about**2).sum(-1).mean(-1))[:, None, None] for about in (about1, about2))
    size = np.sqrt(size1 * size2)
    apart_m = np.linalg.norm(about1 * size / size1 - about2 * size / size2, axis=-1).mean(-1)
    return (apart_m / config.bearing_sigma_m) ** 2


def _contracted(gain: np.ndarray) -> np.ndarray:
    """Labels (N,): the two groups with the largest gain joined again and again while there is one."""
    label = np.arange(len(gain))
    between = gain.copy()
    np.fill_diagonal(between, -np.inf)
    while True:
        first, second = np.unravel_index(np.argmax(between), between.shape)
        if between[first, second] <= 0:
            return label
        label[label == second] = first
        between[first] += between[second]
        between[:, first] = between[first]
        between[second] = between[:, second] = between[first, first] = -np.inf


def _refined(gain: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Single candidates moved to the group, or out of all groups, where they gain most."""
    label = label.copy()
    for _ in range(5):
        moved = False
        for index in range(len(gain)):
            others = np.arange(len(gain)) != index
            targets = np.unique(label[others])
            value = np.array([gain[index, others & (label == target)].sum() for target in targets])
            here = value[targets == label[index]].sum() if (targets == label[index]).any() else 0.0
            best = int(np.argmax(value)) if len(targets) else -1
            if best >= 0 and value[best] > max(here, 0) + 1e-9:
                label[index], moved = targets[best], True
            elif here < -1e-9:
                label[index], moved = label.max() + 1, True
        if not moved:
            break
    return label


def _groups(label: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(label == value).tolist() for value in np.unique(label)]

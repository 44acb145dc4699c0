"""Two cameras' tracks: where one camera stands as seen from the other, and who is whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from refit_ros.calibration.bundle import Rays, adjust
from refit_ros.calibration.types import Track
from refit_ros.camera.triangulation import triangulate
from refit_ros.core.rotations import nearest_rotmat

SEEN = 0.5  # a point of a weight above this is seen
ALIKE_RAD = 0.45  # moments whose turns differ by less agree
FEWEST_MOMENTS = 5  # at which both cameras see somebody
MOST_MOMENTS = 30  # of a pair of tracks that are looked at: more gain nothing for a first guess
MOST_SEEDS = 8  # pairs of tracks that are tried
LOOSE, STEPS = (12.0, 4.0), 8  # of adjusting a first guess, see bundle.adjust
CLEAR = 0.8  # of all sightings that could fit: no other guess is tried
FITS = 3.0  # in tolerances: the same person's points, in the median
FEWEST_POINTS = 6  # that both cameras must see of a person


@dataclass(frozen=True)
class Pair:
    """Two cameras' relation, and how many sightings speak for it."""

    second_from_first: np.ndarray  # (4, 4) m
    score: int


def relate(first: Sequence[Track], second: Sequence[Track]) -> Pair | None:
    """From the tracks of two cameras; None where nobody is seen by both for long enough.

    Each pair of tracks is taken for the same person in turn; that one wins under which most sightings of everybody fit.
    """
    seeds = [(len(common(a, b)), i, j) for i, a in enumerate(first) for j, b in enumerate(second)]
    seeds = sorted((seed for seed in seeds if seed[0] >= FEWEST_MOMENTS), key=lambda seed: -seed[0])[:MOST_SEEDS]
    possible, best = _most_together(first, second), None
    for _, i, j in seeds:
        one, other = _thinned(first[i], second[j])
        pose = refined(guess(one, other), one, other)
        score = sum(int(fitting(pose, a, b).sum()) for a in first for b in second)
        if best is None or score > best.score:
            best = Pair(pose, score)
        if score >= CLEAR * possible:
            break
    return best if best is not None and best.score >= FEWEST_MOMENTS else None


def _most_together(first: Sequence[Track], second: Sequence[Track]) -> int:
    """How many sightings of the same person there can be."""
    last = 1 + max(int(track.moments[-1]) for track in (*first, *second))
    here, there = (sum(np.bincount(track.moments, minlength=last) for track in tracks) for tracks in (first, second))
    return int(np.minimum(here, there).sum())


def _thinned(one: Track, other: Track) -> tuple[Track, Track]:
    moments = common(one, other)
    moments = moments[np.unique(np.linspace(0, len(moments) - 1, MOST_MOMENTS).astype(int))]
    return one.at(moments), other.at(moments)


def common(one: Track, other: Track) -> np.ndarray:
    """Moments at which both are seen."""
    return np.intersect1d(one.moments, other.moments, assume_unique=True)


def guess(one: Track, other: Track) -> np.ndarray:
    """(4, 4) m other_from_one, from what each camera alone guesses in 3D; both at the same moments."""
    weight = np.sqrt(one.weight * other.weight)[..., None] + 1e-6
    from_mean = (weight * one.points_m).sum(1) / weight.sum(1)
    to_mean = (weight * other.points_m).sum(1) / weight.sum(1)
    spread = np.einsum("tki,tkj->tij", weight * (other.points_m - to_mean[:, None]), one.points_m - from_mean[:, None])
    turns = nearest_rotmat(torch.from_numpy(spread)).numpy()  # of each moment
    apart = np.arccos(np.clip((np.einsum("sij,tij->st", turns, turns) - 1) / 2, -1, 1))
    agree = apart[(apart < ALIKE_RAD).sum(1).argmax()] < ALIKE_RAD
    pose = np.eye(4)
    pose[:3, :3] = nearest_rotmat(torch.from_numpy(turns[agree].sum(0))).numpy()
    pose[:3, 3] = np.median((to_mean - from_mean @ pose[:3, :3].T)[agree], axis=0)
    return pose


def refined(pose: np.ndarray, one: Track, other: Track) -> np.ndarray:
    """The relation under which both cameras' rays meet best; the distance between the cameras stays as guessed."""
    poses = np.stack([np.eye(4), pose])
    moments, count = one.weight.shape
    seen = (one.weight > SEEN) & (other.weight > SEEN)
    if not seen.any():
        return pose
    index = np.cumsum(seen.reshape(-1)).reshape(moments, count) - 1
    points = placed(poses, [one, other]).reshape(-1, 3)[seen.reshape(-1)]
    rays = [rays_of(track, view, seen, index) for view, track in enumerate((one, other))]
    return adjust(poses, points, joined(rays), loose=LOOSE, steps=STEPS).camera_from_world[1]


def rays_of(track: Track, camera: int, chosen: np.ndarray, index: np.ndarray) -> Rays:
    """The rays to a track's points (T, K) that are chosen, whose places in the list of points `index` says."""
    tolerance = np.broadcast_to(track.tolerance[:, None], chosen.shape)
    return Rays(
        np.full(int(chosen.sum()), camera), index[chosen], track.rays[chosen], tolerance[chosen], track.weight[chosen]
    )


def joined(parts: Sequence[Rays]) -> Rays:
    return Rays(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rays.__dataclass_fields__))


def placed(poses: np.ndarray, tracks: Sequence[Track]) -> np.ndarray:
    """(T, K, 3) m: points of one person, from tracks of as many cameras (poses (V, 4, 4)) at the same moments."""
    return _triangulated(poses, tracks).place_m.numpy()


def fitting(pose: np.ndarray, one: Track, other: Track) -> np.ndarray:
    """(T,) bool: at which common moments both can be the same person, if the cameras stand like this."""
    return offness(pose, one, other) < FITS


def offness(pose: np.ndarray, one: Track, other: Track) -> np.ndarray:
    """(T,) median distance of the rays from where they meet, in tolerances; inf where too little is seen by both."""
    moments = common(one, other)
    if not len(moments):
        return np.zeros(0)
    one, other = one.at(moments), other.at(moments)
    poses = np.stack([np.eye(4), pose])
    points = placed(poses, [one, other])
    off, before = [], np.ones(one.weight.shape, bool)
    for camera, track in zip(poses, (one, other)):
        seen = points @ camera[:3, :3].T + camera[:3, 3]
        before &= seen[..., 2] > 0
        away = np.linalg.norm(seen[..., :2] / np.maximum(seen[..., 2:], 0.05) - track.rays, axis=-1)
        off.append(away / track.tolerance[:, None])
    worst = np.where(before, np.max(off, axis=0), np.inf)
    usable = (one.weight > SEEN) & (other.weight > SEEN)
    return np.array([np.median(row[use]) if use.sum() >= FEWEST_POINTS else np.inf for row, use in zip(worst, usable)])


def _triangulated(poses: np.ndarray, tracks: Sequence[Track]):
    def stacked(name: str) -> torch.Tensor:
        return torch.as_tensor(np.stack([getattr(track, name) for track in tracks], axis=1), dtype=torch.float64)

    rays, weight, tolerance = stacked("rays"), stacked("weight"), stacked("tolerance")
    cameras = torch.as_tensor(poses[:, :3], dtype=torch.float64).expand(len(rays), -1, -1, -1)
    return triangulate(rays, weight, cameras, tolerance)

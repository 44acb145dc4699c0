"""Tracks of several cameras whose poses are known -> who is whom, and everybody's points as rays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.calibration.bundle import Rays
from refit_ros.calibration.pairs import SEEN, common, fitting, joined, placed, rays_of
from refit_ros.calibration.types import Track

LEAST_SHARE = 0.5  # of the moments at which two tracks are both seen: then they are the same person
FEWEST = 3  # such moments


@dataclass(frozen=True)
class Someone:
    """One person as V cameras see them at T moments; where a camera does not see them the weight is 0."""

    tracks: tuple[Track, ...]  # all at the same moments, of V different cameras
    own: tuple[Track, ...]  # the tracks that this was put together from

    @property
    def moments(self) -> np.ndarray:
        return self.tracks[0].moments

    @property
    def cameras(self) -> list[int]:
        return [track.camera for track in self.tracks]

    def seen(self) -> np.ndarray:
        """(V, T, K) bool: points that at least two cameras see."""
        seen = np.stack([track.weight > SEEN for track in self.tracks])
        return seen & (seen.sum(0) > 1)


def grouped(poses: np.ndarray, tracks: Sequence[Track]) -> list[Someone]:
    """Everybody whom at least two cameras see; poses (C, 4, 4) camera_from_world."""
    links = []
    for a, one in enumerate(tracks):
        for b in range(a + 1, len(tracks)):
            other = tracks[b]
            if one.camera == other.camera or not len(common(one, other)):
                continue
            fits = fitting(poses[other.camera] @ np.linalg.inv(poses[one.camera]), one, other)
            if fits.sum() >= max(FEWEST, LEAST_SHARE * len(fits)):
                links.append((int(fits.sum()), a, b))
    group = {index: [index] for index in range(len(tracks))}
    for _, a, b in sorted(links, key=lambda link: -link[0]):
        if group[a] is group[b] or _meet(group[a], group[b], tracks):
            continue
        merged = group[a] + group[b]
        group.update(dict.fromkeys(merged, merged))
    different = {id(members): members for members in group.values() if len(members) > 1}
    people = [_someone([tracks[index] for index in members]) for members in different.values()]
    return [one for one in people if len(one.moments)]


def _meet(some: list[int], others: list[int], tracks: Sequence[Track]) -> bool:
    """Whether a camera sees both at once: they are different people."""
    return any(tracks[a].camera == tracks[b].camera and len(common(tracks[a], tracks[b])) for a in some for b in others)


def _someone(own: list[Track]) -> Someone:
    times = np.sort(np.concatenate([track.moments for track in own]))
    moments, counts = np.unique(times, return_counts=True)
    moments = moments[counts > 1]
    cameras = sorted({track.camera for track in own})
    return Someone(tuple(_at(moments, [each for each in own if each.camera == camera]) for camera in cameras), tuple(own))


def _at(moments: np.ndarray, parts: list[Track]) -> Track:
    """A camera's tracks of one person as one, with nothing seen at the moments at which it sees nobody."""
    points = parts[0].weight.shape[1]
    whole = Track(
        parts[0].camera,
        moments,
        np.zeros((len(moments), points, 2)),
        np.zeros((len(moments), points)),
        np.ones(len(moments)),
        np.full((len(moments), points, 3), np.nan),
    )
    for part in parts:
        _, to, row = np.intersect1d(moments, part.moments, assume_unique=True, return_indices=True)
        for name in ("rays", "weight", "tolerance", "points_m"):
            getattr(whole, name)[to] = getattr(part, name)[row]
    return whole


def everybodys_rays(poses: np.ndarray, people: Sequence[Someone]) -> tuple[np.ndarray, Rays]:
    """Points (N, 3) m in the world, as they are triangulated, and the rays to them."""
    points, parts, count = [], [], 0
    for someone in people:
        seen = someone.seen()
        any_seen = seen.any(0)
        index = count + np.cumsum(any_seen.reshape(-1)).reshape(any_seen.shape) - 1
        points.append(placed(poses[someone.cameras], someone.tracks)[any_seen])
        count += int(any_seen.sum())
        for track, chosen in zip(someone.tracks, seen):
            parts.append(rays_of(track, track.camera, chosen, index))
    return np.concatenate(points), joined(parts)

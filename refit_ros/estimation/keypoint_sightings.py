"""What cameras see of people, as landmark networks say it: checked, and as the tensors that a fit takes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.triangulation import evidence_of_views
from refit_ros.camera.views import Camera
from refit_ros.core.camera import weak_perspective_from_transl
from refit_ros.core.keypoints import MONOCULAR_QUALITY, KeypointEvidence, crops_without_images, square_of_landmarks
from refit_ros.core.landmarks import LANDMARK_NAMES, layout_indices
from refit_ros.core.types import Crops
from refit_ros.estimation.keypoint_refine import TOLERANCE, Watched

_Tensors = TypeVar("_Tensors", Crops, KeypointEvidence)


@dataclass(frozen=True)
class Sighting:
    """One person as one camera's landmark network sees them."""

    camera: Camera
    place_px: np.ndarray  # (n, 2) in the raw image
    visibility: np.ndarray  # (n,) 0 .. 1
    layout: str = "blazepose"  # one of core.landmarks.LAYOUTS: what the n points are
    offset_m: np.ndarray | None = None  # (n, 3) about the hips, as seen along the ray to them; zeros: not known


class SeenPeople:
    """P people's sightings as tensors in double, N of them, each person's after the other: all landmarks, absent ones with
    visibility 0."""

    def __init__(self, people: Sequence[Sequence[Sighting]]) -> None:
        """Each person with at least one sighting. Raises ValueError for those that are not sound."""
        sightings = [sighting for own in people for sighting in own]
        self.counts = [len(own) for own in people]
        self.cameras = CameraRows.of([sighting.camera for sighting in sightings])
        place_px, visibility, offset_m, told = _arrays(sightings)
        self.place_px, self.visibility = torch.from_numpy(place_px), torch.from_numpy(visibility)
        focal, principal = (torch.from_numpy(values) for values in (self.cameras.focal_px, self.cameras.principal_px))
        center, side = square_of_landmarks(self.place_px, self.visibility)
        self.crops = crops_without_images(center, side, focal, principal)
        offset_m = offset_m @ np.swapaxes(camera_from_ray(((center - principal) / focal[:, None]).numpy()), 1, 2)
        said = np.where(told, MONOCULAR_QUALITY * visibility, 0.0)
        moved_m = -self.cameras.rotation @ self.cameras.origin_m[..., None]
        self.poses = torch.from_numpy(np.concatenate([self.cameras.rotation, moved_m], axis=2))
        own = torch.from_numpy(offset_m), torch.from_numpy(said)
        views = (self.counts, self.poses) if max(self.counts) > 1 else None
        self.evidence = evidence_of_views(self.place_px, self.visibility, *own, self.crops, views)

    @property
    def first(self) -> np.ndarray:
        """(P,) each person's first row."""
        return np.cumsum([0, *self.counts])[:-1]

    @property
    def person(self) -> np.ndarray:
        """(N,)"""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def clearest(self, most: int) -> SeenPeople:
        """Each in at most `most` views, those in which most is seen; what was triangulated from all of them stays."""
        if max(self.counts) <= most:
            return self
        seen = np.split(-self.visibility.sum(1).numpy(), self.first[1:])
        own = [np.sort(np.argsort(each, kind="stable")[:most]) + first for each, first in zip(seen, self.first)]
        rows, part = np.concatenate(own), copy.copy(self)
        part.counts, part.cameras = [len(each) for each in own], self.cameras[rows]
        part.place_px, part.visibility, part.poses = self.place_px[rows], self.visibility[rows], self.poses[rows]
        part.crops, part.evidence = _rows(self.crops, rows), _rows(self.evidence, rows)
        return part

    def weak_perspective(self, transl_m: np.ndarray, joints_m: np.ndarray) -> list[np.ndarray]:
        """Of each person (V, 3) s, tx, ty of their crops; of bodies, fixed frame: transl (P, 3), joints (P, 24, 3) m."""
        root, moved = (torch.from_numpy(points[self.person]) for points in (joints_m[:, 0], transl_m))
        pelvis = (self.poses[:, :, :3] @ root[..., None])[..., 0] + self.poses[:, :, 3]
        weak = weak_perspective_from_transl(pelvis - (root - moved), self.crops).numpy()
        return np.split(weak, self.first[1:])

    @property
    def box_px(self) -> list[np.ndarray]:
        """Of each person (V, 4) of their crops."""
        half, center = self.crops.side_px.numpy()[:, None] / 2, self.crops.center_px.numpy()
        return np.split(np.concatenate([center - half, center + half], axis=1), self.first[1:])

    @property
    def watched(self) -> Watched:
        return Watched(
            first=self.first,
            place_px=self.place_px.numpy(),
            weight=self.visibility.numpy() ** 2,
            sigma_px=TOLERANCE * self.crops.side_px.numpy(),
            rotation=self.cameras.rotation,
            origin_m=self.cameras.origin_m,
            focal_px=self.cameras.focal_px,
            principal_px=self.cameras.principal_px,
        )


def _arrays(sightings: Sequence[Sighting]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """place_px (N, K, 2) in the square-pixel images, visibility (N, K), offset_m (N, K, 3), and where that is told (N, K).

    Raises ValueError.
    """
    shape = len(sightings), len(LANDMARK_NAMES)
    place_px, visibility, offset_m = np.zeros((*shape, 2)), np.zeros(shape), np.zeros((*shape, 3))
    for row, sighting in enumerate(sightings):
        which = _checked(sighting)
        lens = sighting.camera.calibration
        place_px[row, which] = sighting.place_px if lens.is_plain else lens.square_from_raw_px(sighting.place_px)
        visibility[row, which] = sighting.visibility
        if sighting.offset_m is not None:
            offset_m[row, which] = sighting.offset_m
    for name, values in (("place_px", place_px), ("visibility", visibility), ("offset_m", offset_m)):
        if not np.isfinite(values).all():
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
            raise ValueError(f"{name} of camera {sightings[int(bad.argmax())].camera.name} is not finite")
    visibility = np.clip(visibility, 0, 1)
    if not visibility.any(1).all():
        blind = sightings[int(visibility.any(1).argmin())].camera.name
        raise ValueError(f"camera {blind} sees no landmark of somebody; leave that sighting out")
    return place_px, visibility, offset_m, np.any(offset_m, axis=2)


def _checked(sighting: Sighting) -> np.ndarray:
    """Which landmarks its points are. Raises ValueError."""
    which = layout_indices(sighting.layout)
    shapes = {"place_px": (len(which), 2), "visibility": (len(which),), "offset_m": (len(which), 3)}
    for name, shape in shapes.items():
        value = getattr(sighting, name)
        if value is None and name == "offset_m":
            continue
        if np.shape(value) != shape:
            raise ValueError(f"{name} has shape {np.shape(value)}, and layout '{sighting.layout}' means {shape}")
    return which


def camera_from_ray(directions: np.ndarray) -> np.ndarray:
    """(N, 3, 3): the smallest turns that take the z axis onto the rays (x / z, y / z) = `directions` (N, 2).

    A landmark network sees a person in a crop of their own, as a camera would that looks straight at them.
    """
    z = np.concatenate([directions, np.ones((len(directions), 1))], axis=1)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    cross = np.zeros((len(z), 3, 3))  # of (0, 0, 1) x z
    cross[:, 0, 2], cross[:, 1, 2], cross[:, 2, 0], cross[:, 2, 1] = z[:, 0], z[:, 1], -z[:, 0], -z[:, 1]
    return np.eye(3) + cross + cross @ cross / (1 + z[:, 2])[:, None, None]


def _rows(values: _Tensors, rows: np.ndarray) -> _Tensors:
    return type(values)(*(getattr(values, field.name)[rows] for field in fields(values)))


def tensors_of(values) -> list[torch.Tensor]:
    """Of a dataclass of tensors."""
    return [getattr(values, field.name) for field in fields(values)]

"""What cameras see of people, as landmark networks say it: checked, and as the tensors that a fit takes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch

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


class SeenPerson:
    """One person's sightings as tensors in double, V views: all landmarks, absent ones with visibility 0."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        self.cameras = [sighting.camera for sighting in sightings]
        count, kinds = len(sightings), len(LANDMARK_NAMES)
        place_px, visibility = np.zeros((count, kinds, 2)), np.zeros((count, kinds))
        offset_m, said = np.zeros((count, kinds, 3)), np.zeros((count, kinds))
        focal = torch.tensor([camera.calibration.focal_px for camera in self.cameras]).double()
        principal = torch.as_tensor(np.stack([camera.calibration.principal_px for camera in self.cameras])).double()
        for view, sighting in enumerate(sightings):
            which = _checked(sighting)
            place_px[view, which] = sighting.camera.calibration.square_from_raw_px(sighting.place_px)
            visibility[view, which] = np.clip(sighting.visibility, 0, 1)
        self.place_px, self.visibility = torch.from_numpy(place_px), torch.from_numpy(visibility)
        center, side = square_of_landmarks(self.place_px, self.visibility)
        self.crops = crops_without_images(center, side, focal, principal)
        rays = ((center - principal) / focal[:, None]).numpy()
        for view, sighting in enumerate(sightings):
            if sighting.offset_m is not None and np.any(sighting.offset_m):
                which = layout_indices(sighting.layout)
                offset_m[view, which] = np.asarray(sighting.offset_m, np.float64) @ camera_from_ray(rays[view]).T
                said[view] = MONOCULAR_QUALITY * visibility[view]
                unknown = ~np.any(sighting.offset_m, axis=1)
                said[view, which[unknown]] = 0.0
        poses = np.stack(
            [
                np.concatenate([camera.rotation, (-camera.rotation @ camera.fixed_from_camera[:3, 3])[:, None]], 1)
                for camera in self.cameras
            ]
        )
        self.poses = torch.as_tensor(poses).double()
        own = torch.from_numpy(offset_m), torch.from_numpy(said)
        views = (count, self.poses) if count > 1 else None
        self.evidence = evidence_of_views(self.place_px, self.visibility, *own, self.crops, views)

    def clearest(self, most: int) -> SeenPerson:
        """In at most `most` views, those in which most is seen; what was triangulated from all of them stays."""
        if len(self.cameras) <= most:
            return self
        rows = np.sort(np.argsort(-self.visibility.sum(1).numpy(), kind="stable")[:most])
        part = copy.copy(self)
        part.cameras = [self.cameras[row] for row in rows]
        part.place_px, part.visibility, part.poses = self.place_px[rows], self.visibility[rows], self.poses[rows]
        part.crops, part.evidence = _rows(self.crops, rows), _rows(self.evidence, rows)
        return part

    def weak_perspective(self, transl_m: np.ndarray, joints_m: np.ndarray) -> np.ndarray:
        """(V, 3) s, tx, ty of each crop, of a body in the fixed frame: transl (3,), joints (24, 3) m."""
        pelvis_m = self.poses[:, :, :3] @ torch.as_tensor(joints_m[0]) + self.poses[:, :, 3]
        return weak_perspective_from_transl(pelvis_m - torch.as_tensor(joints_m[0] - transl_m), self.crops).numpy()

    @property
    def box_px(self) -> np.ndarray:
        """(V, 4) of each crop."""
        half, center = self.crops.side_px.numpy()[:, None] / 2, self.crops.center_px.numpy()
        return np.concatenate([center - half, center + half], axis=1)


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
        if not np.isfinite(value).all():
            raise ValueError(f"{name} of camera {sighting.camera.name} is not finite")
    if not (np.asarray(sighting.visibility) > 0).any():
        raise ValueError(f"camera {sighting.camera.name} sees no landmark of somebody; leave that sighting out")
    return which


def camera_from_ray(direction: np.ndarray) -> np.ndarray:
    """(3, 3): the smallest turn that takes the z axis onto the ray (x / z, y / z) = `direction`.

    A landmark network sees a person in a crop of their own, as a camera would that looks straight at them.
    """
    z = np.array([*direction, 1.0])
    z /= np.linalg.norm(z)
    axis = np.array([-z[1], z[0], 0.0])  # (0, 0, 1) x z
    cross = np.array([[0, 0, axis[1]], [0, 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + z[2])


def joined(kind: type[_Tensors], parts: Sequence[_Tensors]) -> _Tensors:
    """Dataclasses of tensors one after the other, in float32."""
    names = [field.name for field in fields(kind)]
    return kind(*(torch.cat([getattr(part, name) for part in parts]).float() for name in names))


def _rows(values: _Tensors, rows: np.ndarray) -> _Tensors:
    return type(values)(*(getattr(values, field.name)[rows] for field in fields(values)))


def watched_of(seen: Sequence[SeenPerson]) -> Watched:
    cameras = [camera for one in seen for camera in one.cameras]
    return Watched(
        first=np.cumsum([0, *(len(one.cameras) for one in seen)])[:-1],
        place_px=np.concatenate([one.place_px.numpy() for one in seen]),
        weight=np.concatenate([one.visibility.numpy() ** 2 for one in seen]),
        sigma_px=TOLERANCE * np.concatenate([one.crops.side_px.numpy() for one in seen]),
        rotation=np.stack([camera.rotation for camera in cameras]),
        origin_m=np.stack([camera.fixed_from_camera[:3, 3] for camera in cameras]),
        focal_px=np.array([camera.calibration.focal_px for camera in cameras]),
        principal_px=np.stack([camera.calibration.principal_px for camera in cameras]),
    )


def tensors_of(values) -> list[torch.Tensor]:
    """Of a dataclass of tensors."""
    return [getattr(values, field.name) for field in fields(values)]

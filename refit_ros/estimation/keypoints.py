"""From landmarks that another network found to bodies: one camera or several, through the keypoint network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from refit_ros.camera.triangulation import evidence_of_views
from refit_ros.camera.views import Camera
from refit_ros.core.camera import project
from refit_ros.core.keypoints import (
    MONOCULAR_QUALITY,
    KeypointEvidence,
    KeypointRefit,
    crops_without_images,
    square_of_landmarks,
)
from refit_ros.core.landmarks import LANDMARK_NAMES, layout_indices
from refit_ros.core.traces import recorded_on_processor
from refit_ros.core.types import Crops, Views
from refit_ros.estimation.fuse import fuse
from refit_ros.estimation.height import with_height
from refit_ros.estimation.smooth import Shape

GUESSED_WEIGHT = 0.03  # of a landmark that is not seen, at the network's own place for it, when a person is put somewhere

_Tensors = TypeVar("_Tensors", Crops, KeypointEvidence)


@dataclass(frozen=True)
class Sighting:
    """One person as one camera's landmark network sees them."""

    camera: Camera
    place_px: np.ndarray  # (n, 2) in the raw image
    visibility: np.ndarray  # (n,) 0 .. 1
    layout: str = "blazepose"  # one of core.landmarks.LAYOUTS: what the n points are
    offset_m: np.ndarray | None = None  # (n, 3) about the hips, as seen along the ray to the person (x right, y down)


@dataclass(frozen=True)
class KeypointBody:
    """A person in the fixed frame. Fields as in `estimation.types.Person`, angles as matrices."""

    betas: np.ndarray  # (10,)
    rotmats: np.ndarray  # (24, 3, 3): the global one in the fixed frame, then relative to the parents
    transl: np.ndarray  # (3,) m
    joints: np.ndarray  # (24, 3) m
    landmarks: np.ndarray  # (K, 3) m, in the order of LANDMARK_NAMES
    weak_perspective: np.ndarray  # (V, 3) s, tx, ty of each view's crop
    residual_px: np.ndarray  # (V,) root mean square over what is seen, in the square-pixel image
    box_px: np.ndarray  # (V, 4) of each view's crop, in the square-pixel image
    own_betas: np.ndarray | None = None  # (10,) by these sightings alone; None: the shape was given


class KeypointSolver:
    """Fits people from sightings; all of one call in one batch."""

    def __init__(self, network: KeypointRefit, known_height_m: float = 0.0) -> None:
        """known_height_m: everybody's standing height; 0: unknown."""
        self._known_height_m = known_height_m
        self.network = copy.deepcopy(network).eval().requires_grad_(False)  # a recording holds no gradients
        self.device = network.init_pose.device
        self._run = recorded_on_processor(self._fit, self.device)
        self._posed = recorded_on_processor(self._pose, self.device)

    @torch.inference_mode()
    def fit(
        self,
        people: Sequence[Sequence[Sighting]],
        betas: np.ndarray | None = None,
        iterations: int | None = None,
        shapes: Sequence[Shape] = (),
    ) -> list[KeypointBody]:
        """One body for each person, from their sightings (one a camera, at least one).

        betas (P, 10): known shapes, NaN where there is none. shapes: what was learned of the first people's betas so far;
        they are placed with the mean of that and of what this set says.
        Raises ValueError for a layout that is unknown, shapes that do not fit, values that are not finite and for somebody
        without sightings.
        """
        if not people:
            return []
        if not all(people):
            raise ValueError("somebody has no sighting; leave out people whom no camera sees")
        # In double: a fixed frame may begin far away, and a ray's small angles are what counts.
        seen = [_Seen(sightings) for sightings in people]
        crops = _joined(Crops, [one.crops for one in seen])
        evidence = _joined(KeypointEvidence, [one.evidence for one in seen])
        person = torch.arange(len(seen)).repeat_interleave(torch.tensor([len(one.cameras) for one in seen]))
        views = Views(person, torch.cat([one.poses[..., :3] for one in seen]).float())
        known = None if betas is None else torch.as_tensor(betas, dtype=torch.float32)[person]
        first = np.cumsum([0, *(len(one.cameras) for one in seen)])
        tensors = [*_fields(evidence), crops.center_px, crops.side_px, crops.focal_px, crops.principal_px, *_fields(views)]
        tensors += [torch.from_numpy(first[:-1]), torch.stack([one.poses[0, :, :3].mT for one in seen]).float()]
        tensors += [] if known is None else [known]
        iterations = self.network.config.iterations if iterations is None else iterations
        values = self._run((known is not None, iterations), tuple(tensor.to(self.device) for tensor in tensors))
        own_betas, rotmats, weak, guessed_px = (value.double().cpu().numpy() for value in values)
        held = np.full(own_betas.shape, np.nan) if betas is None else np.asarray(betas, float)
        learned = [*shapes, *[Shape()] * (len(seen) - len(shapes))]
        used = np.stack([self._betas(*each) for each in zip(own_betas, held, learned, map(len, people))])
        landmarks_m, joints_m = self._bodies(used, rotmats)
        found = _Found(used, own_betas, rotmats, joints_m, landmarks_m, weak, guessed_px)
        own = [slice(begin, end) for begin, end in zip(first[:-1], first[1:])]
        return [_placed(one, found, number, rows) for number, (one, rows) in enumerate(zip(seen, own))]

    def joints(self, betas: np.ndarray, rotmats: np.ndarray) -> np.ndarray:
        """betas (P, 10), rotmats (P, 24, 3, 3) -> joints (P, 24, 3) m without translation."""
        return self._bodies(betas, rotmats)[1]

    def _betas(self, own: np.ndarray, held: np.ndarray, shape: Shape, views: int) -> np.ndarray:
        """The shape (10,) that somebody is placed with."""
        if np.isfinite(held).all():
            return held
        betas = shape.mean_with(own, float(views))
        return with_height(betas, self._known_height_m, self._height_m) if self._known_height_m > 0 else betas

    def _height_m(self, betas: np.ndarray) -> float:
        return float(self.network.body.height_m(self._tensor(betas[None]))[0])

    @torch.inference_mode()
    def _bodies(self, betas: np.ndarray, rotmats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks (P, K, 3) and joints (P, 24, 3) m without translation."""
        landmarks_m, joints_m = self._posed("bodies", (self._tensor(betas), self._tensor(rotmats)))
        return landmarks_m.double().cpu().numpy(), joints_m.double().cpu().numpy()

    def _pose(self, _: str, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return self.network.landmark_body(*tensors)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(self.device)

    def _fit(self, kind: tuple[bool, int], tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """-> betas (P, 10), rotmats (P, 24, 3, 3) in the fixed frame, weak perspective (N, 3), guessed_px (N, K, 2).

        The count of people and sightings is read from the tensors' shapes (`Traced`).
        """
        has_betas, iterations = kind
        rest = iter(tensors)
        evidence = KeypointEvidence(*(next(rest) for _ in fields(KeypointEvidence)))
        crops = crops_without_images(*(next(rest) for _ in range(4)))
        views = Views(*(next(rest) for _ in fields(Views)))
        first, world_from_camera = next(rest), next(rest)
        betas = next(rest) if has_betas else None
        estimate = self.network.fit(evidence, crops, views, betas, iterations=iterations).estimate
        landmarks_m, _ = self.network.landmark_body(estimate.betas, estimate.rotmats, estimate.transl)
        guessed_px = project(landmarks_m, crops.focal_px, crops.principal_px)
        shape, rotmats = estimate.betas[first], estimate.rotmats[first]
        rotmats = torch.cat((world_from_camera[:, None] @ rotmats[:, :1], rotmats[:, 1:]), dim=1)
        return shape, rotmats, estimate.weak_perspective, guessed_px


class _Found(NamedTuple):
    """Of P people in N sightings, as numpy in double: shape, pose and place in the fixed frame but for a translation."""

    betas: np.ndarray  # (P, 10)
    own_betas: np.ndarray  # (P, 10) by these sightings alone
    rotmats: np.ndarray  # (P, 24, 3, 3)
    joints_m: np.ndarray  # (P, 24, 3)
    landmarks_m: np.ndarray  # (P, K, 3)
    weak_perspective: np.ndarray  # (N, 3)
    guessed_px: np.ndarray  # (N, K, 2) in the square-pixel image


def _placed(seen: _Seen, found: _Found, number: int, own: slice) -> KeypointBody:
    """The body that all views share, put where their landmarks want it."""
    visible = seen.visibility.numpy()
    weight = np.maximum(visible**2, GUESSED_WEIGHT)
    sure = (visible > 0.3)[..., None]
    wanted_px = np.where(sure, seen.place_px.numpy(), found.guessed_px[own])
    fused = fuse(found.landmarks_m[number], list(wanted_px), seen.cameras, joint_weights=weight)
    half = seen.crops.side_px.numpy()[:, None] / 2
    center = seen.crops.center_px.numpy()
    return KeypointBody(
        betas=found.betas[number],
        rotmats=found.rotmats[number],
        transl=fused.transl,
        joints=found.joints_m[number] + fused.transl,
        landmarks=found.landmarks_m[number] + fused.transl,
        weak_perspective=found.weak_perspective[own],
        residual_px=fused.residual_px,
        box_px=np.concatenate([center - half, center + half], axis=1),
        own_betas=found.own_betas[number],
    )


def _fields(values) -> list[torch.Tensor]:
    """Of a dataclass of tensors."""
    return [getattr(values, field.name) for field in fields(values)]


class _Seen:
    """One person's sightings as tensors in double, V views: all landmarks, absent ones with visibility 0."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        self.cameras = [sighting.camera for sighting in sightings]
        count, kinds = len(sightings), len(LANDMARK_NAMES)
        self.place_px, self.visibility = torch.zeros(count, kinds, 2).double(), torch.zeros(count, kinds).double()
        offset_m, said = torch.zeros(count, kinds, 3).double(), torch.zeros(count, kinds).double()
        focal = torch.tensor([camera.calibration.focal_px for camera in self.cameras]).double()
        principal = torch.as_tensor(np.stack([camera.calibration.principal_px for camera in self.cameras])).double()
        for view, sighting in enumerate(sightings):
            which = _checked(sighting)
            self.place_px[view, which] = torch.as_tensor(sighting.camera.calibration.square_from_raw_px(sighting.place_px))
            self.visibility[view, which] = torch.as_tensor(np.clip(sighting.visibility, 0, 1)).double()
        center, side = square_of_landmarks(self.place_px, self.visibility)
        self.crops = crops_without_images(center, side, focal, principal)
        for view, sighting in enumerate(sightings):
            if sighting.offset_m is not None:
                which = layout_indices(sighting.layout)
                turned = _camera_from_ray(((center[view] - principal[view]) / focal[view]).numpy())
                offset_m[view, which] = torch.as_tensor(np.asarray(sighting.offset_m, np.float64) @ turned.T)
                said[view] = MONOCULAR_QUALITY * self.visibility[view]
        poses = np.stack(
            [
                np.concatenate([camera.rotation, (-camera.rotation @ camera.fixed_from_camera[:3, 3])[:, None]], 1)
                for camera in self.cameras
            ]
        )
        self.poses = torch.as_tensor(poses).double()
        self.evidence = evidence_of_views(
            self.place_px, self.visibility, offset_m, said, self.crops, (count, self.poses) if count > 1 else None
        )


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


def _camera_from_ray(direction: np.ndarray) -> np.ndarray:
    """(3, 3): the smallest turn that takes the z axis onto the ray (x / z, y / z) = `direction`.

    A landmark network sees a person in a crop of their own, as a camera would that looks straight at them.
    """
    z = np.array([*direction, 1.0])
    z /= np.linalg.norm(z)
    axis = np.array([-z[1], z[0], 0.0])  # (0, 0, 1) x z
    cross = np.array([[0, 0, axis[1]], [0, 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + z[2])


def _joined(kind: type[_Tensors], parts: Sequence[_Tensors]) -> _Tensors:
    """Dataclasses of tensors one after the other, in float32."""
    names = [field.name for field in fields(kind)]
    return kind(*(torch.cat([getattr(part, name) for part in parts]).float() for name in names))

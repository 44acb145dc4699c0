"""Each camera by itself looks at people: images -> tracks of rays and guesses in 3D."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from refit_ros.calibration.heads import hidden
from refit_ros.calibration.types import Track
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import mean_distance
from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.inference import Prepared
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.core.landmarks import BLAZEPOSE_33, layout_indices
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.detection.landmark_sources import landmark_source
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.keypoint_choice import keypoint_network
from refit_ros.estimation.keypoint_estimator import KeypointEstimator, LandmarkSource
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import Person

TOLERANCE = 0.012  # of the longer side of a person's box: how far off a point usually is
FEWEST_LOOKS = 3  # of a track


class Looker:
    """One camera's people, set by set."""

    def __init__(
        self,
        camera: int,
        calibration: Calibration,
        estimator: Estimator | KeypointEstimator,
        noted: NotedLandmarks | None = None,
        growth: Callable[[np.ndarray], float] = lambda betas: 1.0,
    ) -> None:
        """estimator: this camera's own; noted: where it gets landmarks, if it does.

        growth: betas (10,) -> by how much that person is larger than they seem, where their height is known.
        """
        self._camera, self._calibration, self._estimator = camera, calibration, estimator
        self._noted, self._growth = noted, growth
        self._found: dict[int, list[tuple]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the points."""
        return JOINT_NAMES if self._noted is None else BLAZEPOSE_33

    def look(self, image: np.ndarray, moment: int, stamp_s: float) -> int:
        """At an image (H, W, 3) uint8 RGB; gives how many people are seen. Raises ValueError where it cannot be used."""
        people = self._estimator.estimate([View(image, self._calibration, stamp_s)])
        if people.left_out:
            raise ValueError(f"camera {self._calibration.name}: {people.left_out[self._calibration.name]}")
        seen = [person for person in people.people if person.views]
        for person in seen:
            self._found.setdefault(person.id, []).append((moment, *self._sighting(person)))
        return len(seen)

    def _sighting(self, person: Person) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """rays (K, 2), weight (K,), tolerance, points_m (K, 3)."""
        box = person.views[0].box_xyxy_px
        tolerance = TOLERANCE * float(max(box[2] - box[0], box[3] - box[1], 1)) / self._calibration.focal_px
        if self._noted is None:
            points = person.joints
            rays = points[:, :2] / np.maximum(points[:, 2:], 0.05)
            weight = self._calibration.sees(points).astype(float)
        else:
            found = self._noted.of(person, self._calibration)
            square_px = self._calibration.square_from_raw_px(found.place_px[0])
            rays = (square_px - self._calibration.principal_px) / self._calibration.focal_px
            points = self._noted.landmarks_m(person)
            weight = np.where(hidden(points, self.names), 0.0, np.clip(found.visibility[0], 0, 1))
        return rays, weight, tolerance, points * self._growth(person.betas)

    def tracks(self) -> list[Track]:
        """Everybody who was seen more than a moment."""
        result = []
        for looks in self._found.values():
            if len(looks) >= FEWEST_LOOKS:
                moments, rays, weight, tolerance, points = (np.array(column) for column in zip(*looks))
                result.append(Track(self._camera, moments, rays, weight, tolerance, points))
        return result


class NotedLandmarks:
    """Gives an estimator landmarks and notes which of its people come from which."""

    def __init__(self, source: LandmarkSource, network: KeypointRefit) -> None:
        self._source, self._body = source, network.landmark_body
        self._last: Landmarks | None = None
        self._which = layout_indices("blazepose")

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks:
        self._last = self._source.in_boxes(image, xyxy_px)
        return self._last

    def of(self, person: Person, calibration: Calibration) -> Landmarks:
        """Those of somebody whom the estimator has just published: the ones that lie nearest to their body."""
        their_px = calibration.project(self.landmarks_m(person))
        return self._last[[int(np.argmin(mean_distance(self._last.place_px, their_px, self._last.visibility)))]]

    @torch.inference_mode()
    def landmarks_m(self, person: Person) -> np.ndarray:
        """(33, 3) m in the camera's frame."""
        turns = rotmat_from_axis_angle(torch.as_tensor(np.concatenate([person.global_orient[None], person.body_pose])))
        values = (torch.as_tensor(person.betas), turns, torch.as_tensor(person.transl))
        device = self._body.weights.device
        landmarks, _ = self._body(*(value[None].float().to(device) for value in values))
        return landmarks[0].double().cpu().numpy()[self._which]


def feature_lookers(
    calibrations: Sequence[Calibration], settings: Settings, network: Prepared, height_m: float | None
) -> list[Looker]:
    """One for each camera. height_m: everybody's, where it is known."""
    growth = _growth(network.body, height_m)
    return [
        Looker(index, calibration, Estimator(network, settings), growth=growth)
        for index, calibration in enumerate(calibrations)
    ]


def keypoint_lookers(
    calibrations: Sequence[Calibration],
    settings: Settings,
    weights: str | None,
    body: Body | None,
    device: str,
    height_m: float | None,
) -> list[Looker]:
    """As `feature_lookers`, by landmarks. Raises what `keypoint_estimators` raises where something cannot be had."""
    network = keypoint_network(weights, body, device)
    source, growth = landmark_source(settings, thorough=True, device=device), _growth(network.body, height_m)
    lookers = []
    for index, calibration in enumerate(calibrations):
        noted = NotedLandmarks(source, network)
        lookers.append(Looker(index, calibration, KeypointEstimator(network, noted, settings), noted, growth))
    return lookers


def _growth(body: Body, height_m: float | None) -> Callable[[np.ndarray], float]:
    if height_m is None:
        return lambda betas: 1.0

    @torch.inference_mode()
    def growth(betas: np.ndarray) -> float:
        shape = torch.as_tensor(betas, dtype=torch.float32, device=body.v_template.device)[None]
        return height_m / float(body.height_m(shape)[0])

    return growth

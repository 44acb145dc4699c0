"""Who is whom among landmarks: those that lie where a followed person is expected, in each camera by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from refit_ros.camera.geometry import around
from refit_ros.camera.views import Camera
from refit_ros.core.landmarks import LANDMARK_INDEX, MIRRORED_LANDMARKS
from refit_ros.detection.landmarks import COUNT, Landmarks
from refit_ros.estimation.keypoint_people import SEEN
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.estimation.smooth import Shape
from refit_ros.tracking.config import DEFAULT, TrackerConfig
from refit_ros.tracking.measurement import belief
from refit_ros.tracking.root_state import RootState, jitter_information, predict, start, update, views_information

_LIMBS = tuple(
    f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in ("left", "right")
)
_LANDMARKS = [LANDMARK_INDEX[name] for name in _LIMBS]
_HIPS, _SHOULDERS = ([LANDMARK_INDEX[f"{side}_{part}"] for side in ("left", "right")] for part in ("hip", "shoulder"))
FAR = 0.25  # of the size in the image: landmarks that are on average farther from where somebody is expected are another's
NEAREST_M = 0.2
LONGEST_S = 0.5  # for which a velocity is believed
NOISE = (0.12, 0.06)  # sigma of an expected landmark, of the size in the image: of a body that one camera, that several saw
_OTHER_SIDE = list(MIRRORED_LANDMARKS[:COUNT])
_OTHER_LANDMARKS = [_OTHER_SIDE[index] for index in _LANDMARKS]


@dataclass
class Followed:
    """Somebody who was seen before."""

    body: KeypointBody  # at the last sight
    cameras: list[Camera]  # that saw them then
    seen_s: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))  # m/s
    hits: int = field(init=False)  # images in which they were seen
    number: int | None = None  # given when published for the first time
    shape: Shape = field(default_factory=Shape)  # learned of all sets
    misfit_m: np.ndarray = field(default_factory=lambda: np.zeros(COUNT))  # (33,) see `misfit_m`
    root: RootState = field(init=False)

    def __post_init__(self) -> None:
        self.hits = len(self.cameras)
        self.root = start(self.body.joints[0], _place_covariance(self.body, self.cameras, DEFAULT), self.seen_s, DEFAULT)
        self._learn()

    def _learn(self) -> None:
        if self.body.own_betas is not None:
            self.shape = self.shape.learned(self.body.own_betas, float(len(self.cameras)))

    def moved_m(self, stamp_s: float) -> np.ndarray:
        """(3,) since the last sight."""
        return self.velocity * min(max(stamp_s - self.seen_s, 0.0), LONGEST_S)

    def seen(self, body: KeypointBody, own: Sequence[Seen], stamp_s: float) -> None:
        cameras, self.misfit_m = [one.camera for one in own], misfit_m(body, own)
        passed_s = stamp_s - self.seen_s
        if passed_s > 0.001:
            self.velocity = 0.5 * self.velocity + 0.5 * (body.joints[0] - self.body.joints[0]) / passed_s
        self.body, self.cameras, self.seen_s, self.hits = body, cameras, stamp_s, self.hits + len(cameras)
        self._learn()
        information = jitter_information(body.joints[0], cameras, DEFAULT)
        self.root = update(predict(self.root, stamp_s, DEFAULT), body.joints[0], information)

    def apart2(self, body: KeypointBody, cameras: list[Camera], stamp_s: float, config: TrackerConfig) -> float:
        """Squared, in sigmas: how far the pelvis of a body that `cameras` see is from where theirs should be."""
        off = body.joints[0] - self.body.joints[0] - self.moved_m(stamp_s)
        covariance = _place_covariance(self.body, self.cameras, config) + _place_covariance(body, cameras, config)
        return float(off @ np.linalg.solve(covariance, off))


def _place_covariance(body: KeypointBody, cameras: list[Camera], config: TrackerConfig) -> np.ndarray:
    """(3, 3) m^2"""
    places_m = [camera.fixed_from_camera[:3, 3] for camera in cameras]
    return np.linalg.inv(views_information(body.joints[0], places_m, config.bearing_sigma_m, config.depth_sigma))


@dataclass(frozen=True)
class Expected:
    """Where one camera should see somebody."""

    px: np.ndarray  # (33, 2) BlazePose's landmarks, raw image
    sigma_px: np.ndarray  # (33,) how far each landmark may be from there

    @cached_property
    def size_px(self) -> float:
        box = around(self.px[_LANDMARKS])
        return float(max((box[2:] - box[:2]).max(), 8.0))

    @cached_property
    def extent(self) -> np.ndarray:
        """(4,) px"""
        return around(self.px)

    @property
    def box(self) -> np.ndarray:
        """(4,) px to look in: a square about the hips that holds them whichever way they are turned."""
        reach = max(float(np.linalg.norm(self.px - self._hips, axis=1).max()), 4.0)
        return np.concatenate([self._hips - reach, self._hips + reach])

    @property
    def turned_rad(self) -> float:
        """Of the way from the hips to the shoulders, clockwise from upright."""
        right, down = self.px[_SHOULDERS].mean(0) - self._hips
        return float(np.arctan2(right, -down))

    @cached_property
    def _hips(self) -> np.ndarray:
        return self.px[_HIPS].mean(0)

    def belief(self, place_px: np.ndarray) -> np.ndarray:
        """(33,) 0 .. 1: how far landmarks (33, 2) px are believed beside what was expected, as Student's t weighs them."""
        return belief(((place_px - self.px) ** 2).sum(1) / self.sigma_px**2)


def _off(found: Landmarks, expected: Sequence[Expected], exchanged: bool) -> np.ndarray:
    """(N, E) of landmarks of N people, their left taken for right where `exchanged`: mean distance of the limbs from where
    each of E is expected, of the size in the image."""
    own = _OTHER_LANDMARKS if exchanged else _LANDMARKS
    weight = found.visibility[:, None, own]
    there = np.stack([each.px[_LANDMARKS] for each in expected])
    apart = np.linalg.norm(found.place_px[:, None, own] - there, axis=3)
    size_px = np.array([each.size_px for each in expected])
    return (weight * apart).sum(2) / np.maximum(weight.sum(2), 1e-6) / size_px


def sides_exchanged(found: Landmarks) -> Landmarks:
    """The same with left for right: of who is seen from the front and was taken to be seen from behind."""
    swapped = {
        name: getattr(found, name)[:, _OTHER_SIDE] for name in ("place_px", "visibility", "presence", "place_m", "heat")
    }
    return replace(found, **swapped)


@dataclass(frozen=True)
class Seen:
    """Landmarks of one person in one camera."""

    camera: Camera
    view: int  # the camera's place in the set
    found: Landmarks  # of one
    believed: np.ndarray = field(default_factory=lambda: np.ones(COUNT))  # (33,) 0 .. 1
    exchanged: bool = False  # left for right: then what the network made of it in 3D is of somebody who faces away

    def beside(self, expected: Expected | None, exchanged: bool | None = None) -> Seen:
        """The same, each landmark believed as far as what was expected allows, on the side where it was expected.

        exchanged: left for right, where that is known already.
        """
        if expected is None:
            return self
        if exchanged is None:
            off, other_off = (_off(self.found, [expected], each)[0, 0] for each in (False, True))
            exchanged = bool(other_off < off)
        found = sides_exchanged(self.found) if exchanged else self.found
        return replace(self, found=found, believed=expected.belief(found.place_px[0]), exchanged=exchanged)

    @property
    def sighting(self) -> Sighting:
        found, offset_m = self.found, None if self.exchanged else self.found.place_m[0]
        return Sighting(self.camera, found.place_px[0], found.visibility[0] * self.believed, "blazepose", offset_m)


def misfit_m(body: KeypointBody, own: Sequence[Seen]) -> np.ndarray:
    """(33,) m: how far the landmarks of a body lie from where they were seen, whether that was believed or not.

    The median of the views that see a landmark: one that is wrong does not speak against a body that fits the others. Of
    what no view sees, the mean of the rest.
    """
    off_m = np.full((len(own), COUNT), np.nan)
    for row, one in zip(off_m, own):
        points = one.camera.to_camera(body.landmarks[:COUNT])
        seen = one.found.visibility[0] > SEEN
        off_px = np.linalg.norm(one.camera.calibration.project(points) - one.found.place_px[0], axis=1)
        row[seen] = (off_px * points[:, 2] / one.camera.calibration.focal_px)[seen]
    known = np.isfinite(off_m).any(0)
    if not known.any():
        return np.zeros(COUNT)
    median_m = np.nanmedian(off_m[:, known], axis=0)
    result = np.full(COUNT, median_m.mean())
    result[known] = median_m
    return result


def expect(someone: Followed, camera: Camera, stamp_s: float, config: TrackerConfig) -> Expected | None:
    """None where a camera cannot see them."""
    points = camera.to_camera(someone.body.landmarks[:COUNT] + someone.moved_m(stamp_s))
    if (points[:, 2] < NEAREST_M).any() or not camera.calibration.sees(points[_LANDMARKS]).any():
        return None
    moved_m = config.pose_change_m_s * max(stamp_s - someone.seen_s, 0.0)
    still = Expected(camera.calibration.project(points), np.zeros(COUNT))
    own_px = NOISE[len(someone.cameras) > 1] * still.size_px
    px_per_m = camera.calibration.focal_px / points[:, 2].mean()
    return replace(still, sigma_px=np.hypot(own_px, px_per_m * np.hypot(moved_m, someone.misfit_m)))


def assign(found: Landmarks, expected: Sequence[Expected | None]) -> dict[int, tuple[int, bool]]:
    """Landmarks (N people) -> index of the expected person each of them is, and whether left was taken for right; those who
    are nobody's are missing."""
    off = np.full((2, len(found), len(expected)), 10.0)
    there = {column: each for column, each in enumerate(expected) if each is not None}
    if there and len(found):
        known = list(there.values())
        off[:, :, list(there)] = _off(found, known, False), _off(found, known, True)
    cost, exchanged = off.min(0), off[1] < off[0]
    rows, columns = linear_sum_assignment(cost)
    return {
        int(row): (int(column), bool(exchanged[row, column]))
        for row, column in zip(rows, columns)
        if cost[row, column] < FAR
    }

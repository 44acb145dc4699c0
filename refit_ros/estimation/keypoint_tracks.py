"""Somebody who is followed by their landmarks, over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import median_of_known
from refit_ros.camera.views import Camera
from refit_ros.detection.landmarks import COUNT, Landmarks
from refit_ros.detection.rows import joined
from refit_ros.estimation.keypoint_expected import OTHER_SIDE, Expected, believed, beside_others, expect, surprises
from refit_ros.estimation.keypoint_people import SEEN
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.estimation.smooth import Shape
from refit_ros.tracking import root_state
from refit_ros.tracking.config import DEFAULT, TrackerConfig
from refit_ros.tracking.contact import predict_together
from refit_ros.tracking.root_state import RootState, jitter_information, views_information

SIDE_BY_SIDE = 3  # sets in which one camera shows two people: they are two
NOISE = (0.12, 0.06)  # sigma of an expected landmark, of the size in the image: of a body that one camera, that several saw


@dataclass
class Followed:
    """Somebody who was seen before."""

    key: int  # their own from the first sight on; numbers are given later and not to everybody
    body: KeypointBody  # at the last sight
    cameras: list[Camera]  # that saw them then
    seen_s: float
    hits: int = field(init=False)  # images in which they were seen
    number: int | None = None  # given when published for the first time
    shape: Shape = field(default_factory=Shape)  # learned of all sets
    misfit_m: np.ndarray = field(default_factory=lambda: np.zeros(COUNT))  # (33,) see `misfit_m`
    root: RootState = field(init=False)
    solid: float = 0.0  # log odds that this is no picture of somebody
    beside: Counter[int] = field(default_factory=Counter)  # key: in how many sets some camera has shown that one as well

    def __post_init__(self) -> None:
        self.hits = len(self.cameras)
        self.root = root_state.start(
            self.body.joints[0], _place_covariance(self.body, self.cameras, DEFAULT), self.seen_s, DEFAULT
        )
        self._look_at_relief(1.0)
        self._learn()

    def _learn(self) -> None:
        if self.body.own_betas is not None:
            self.shape = self.shape.learned(self.body.own_betas, float(len(self.cameras)))

    def _look_at_relief(self, share: float) -> None:
        """share: of what the body at the last sight says, as it repeats the one before."""
        most = DEFAULT.most_heard
        self.solid = float(np.clip(self.solid - share * self.body.flatness, -most, most))
        if self.solid < DEFAULT.delete_log_odds:
            self.number = None

    @property
    def sights(self) -> int:
        """Images in which they were seen; none as long as they are rather a picture."""
        return 0 if self.solid < 0 else self.hits

    def seen(self, body: KeypointBody, own: Sequence[Seen], root: RootState) -> None:
        """root: as it was predicted for the time at which they were seen."""
        cameras, self.misfit_m = [one.camera for one in own], misfit_m(body, own)
        share = min(1.0, abs(root.stamp_s - self.seen_s) / DEFAULT.evidence_memory_s)
        self.body, self.cameras, self.seen_s, self.hits = body, cameras, root.stamp_s, self.hits + len(cameras)
        self._look_at_relief(share)
        self._learn()
        self.root = root_state.update(root, body.joints[0], jitter_information(body.joints[0], cameras, DEFAULT))

    def is_beside(self, other: Followed) -> bool:
        """Whether cameras have shown that the two are two, and both have a number."""
        return self.beside[other.key] >= SIDE_BY_SIDE and None not in (self.number, other.number)

    def apart2(self, body: KeypointBody, cameras: list[Camera], root: RootState, config: TrackerConfig) -> float:
        """Squared, in sigmas: how far the pelvis of a body that `cameras` see is from where theirs should be."""
        off = body.joints[0] - root.position_m
        own, other = _place_covariance(self.body, self.cameras, config), _place_covariance(body, cameras, config)
        return float(off @ np.linalg.solve(root.position_covariance_m2 + own + other, off))


class Gone:
    """Those with a number who are followed no more, for as long as they are known again."""

    def __init__(self, reentry_s: float) -> None:
        self._reentry_s, self._people = reentry_s, list[Followed]()

    def add(self, people: Sequence[Followed], stamp_s: float) -> None:
        """And forgets who was seen too long before this time."""
        known = [*self._people, *(one for one in people if one.number is not None)]
        self._people = [one for one in known if abs(stamp_s - one.seen_s) <= self._reentry_s]

    def back(self, newcomer: Followed, config: TrackerConfig) -> Followed | None:
        """Who of them the newcomer is: the one who is likeliest to have come there, taken out."""
        off2 = [
            one.apart2(newcomer.body, newcomer.cameras, root_state.predict(one.root, newcomer.seen_s, config), config)
            for one in self._people
        ]
        if not off2 or min(off2) > config.gate_sigma**2:
            return None
        return self._people.pop(int(np.argmin(off2)))


def predicted(followed: Sequence[Followed], stamp_s: float, config: TrackerConfig) -> list[RootState]:
    """Where everybody should be at a time. Who has no id yet is in nobody's way."""
    return predict_together([one.root for one in followed], [one.number is not None for one in followed], stamp_s, config)


@dataclass(frozen=True)
class Whereabouts:
    """Where everybody should be at one time."""

    stamp_s: float
    cameras: CameraRows
    roots: list[RootState]
    expected: list[list[Expected | None]]  # in each camera; None where it cannot see them

    def holds(self, cameras: CameraRows, stamp_s: float) -> bool:
        """Whether it is of this time, and of cameras that stand where these do and see as they do."""
        lenses = [[camera.calibration for camera in rows.cameras] for rows in (self.cameras, cameras)]
        return (
            stamp_s == self.stamp_s
            and len(lenses[0]) == len(lenses[1])
            and all(one is other for one, other in zip(*lenses))
            and np.array_equal(self.cameras.origin_m, cameras.origin_m)
            and np.array_equal(self.cameras.rotation, cameras.rotation)
        )


def whereabouts(followed: Sequence[Followed], cameras: CameraRows, stamp_s: float, config: TrackerConfig) -> Whereabouts:
    """Of everybody who is followed."""
    roots = predicted(followed, stamp_s, config)
    expected = [beside_others(where, config) for where in where_expected(followed, roots, cameras, config)]
    return Whereabouts(stamp_s, cameras, roots, expected)


def where_expected(
    followed: Sequence[Followed], roots: Sequence[RootState], cameras: CameraRows, config: TrackerConfig
) -> list[list[Expected | None]]:
    """Where each camera should see each person at the time of their `root`, as it was predicted; None where it cannot."""
    moved_m = [root.position_m - one.body.joints[0] for one, root in zip(followed, roots)]
    return expect(
        np.array([one.body.landmarks[:COUNT] + by_m for one, by_m in zip(followed, moved_m)]),
        np.array([one.body.joints + by_m for one, by_m in zip(followed, moved_m)]),
        np.array([one.misfit_m for one in followed]),
        np.array([NOISE[len(one.cameras) > 1] for one in followed]),
        roots,
        np.array([max(root.stamp_s - one.seen_s, 0.0) for one, root in zip(followed, roots)]),
        np.array([[one.is_beside(other) for other in followed] for one in followed]),
        cameras,
        config,
    )


def _place_covariance(body: KeypointBody, cameras: list[Camera], config: TrackerConfig) -> np.ndarray:
    """(3, 3) m^2"""
    places_m = [camera.fixed_from_camera[:3, 3] for camera in cameras]
    return np.linalg.inv(views_information(body.joints[0], places_m, config.bearing_sigma_m, config.depth_sigma))


def sides_exchanged(found: Landmarks) -> Landmarks:
    """The same with left for right: of who is seen from the front and was taken to be seen from behind."""
    swapped = {
        name: getattr(found, name)[:, OTHER_SIDE] for name in ("place_px", "visibility", "presence", "place_m", "heat")
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

    def on_side(self, exchanged: bool) -> Seen:
        """The same, left for right if it was `exchanged`."""
        return replace(self, found=sides_exchanged(self.found), exchanged=True) if exchanged else self

    def beside(self, expected: Expected | None) -> Seen:
        """The same, each landmark believed as far as what was expected allows, on the side where it was expected."""
        if expected is None:
            return self
        own = self.on_side(bool(surprises(self.found, [expected], DEFAULT)[2][0, 0]))
        return replace(own, believed=believed([expected], own.found.place_px)[0])

    @property
    def sighting(self) -> Sighting:
        found, offset_m = self.found, None if self.exchanged else self.found.place_m[0]
        return Sighting(self.camera, found.place_px[0], found.visibility[0] * self.believed, "blazepose", offset_m)


def misfit_m(body: KeypointBody, own: Sequence[Seen]) -> np.ndarray:
    """(33,) m: how far the landmarks of a body lie from where they were seen, whether that was believed or not.

    The median of the views that see a landmark: one that is wrong does not speak against a body that fits the others. Of
    what no view sees, the mean of the rest.
    """
    cameras, found = CameraRows.of([one.camera for one in own]), joined([one.found for one in own])
    points = cameras.to_camera(body.landmarks[:COUNT])
    off_px = np.linalg.norm(cameras.project(points) - found.place_px, axis=2)
    off_m = np.where(found.visibility > SEEN, off_px * points[..., 2] / cameras.focal_px[:, None], np.nan)
    known = np.isfinite(off_m).any(0)
    if not known.any():
        return np.zeros(COUNT)
    median_m = median_of_known(off_m[:, known], axis=0)
    result = np.full(COUNT, median_m.mean())
    result[known] = median_m
    return result

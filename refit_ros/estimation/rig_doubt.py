"""Noticing that cameras cannot stand or see as they say: each sees people plainly, and the rays of no two of them meet.

Why is found by trying: rigs as they would be if they had been given in one of the ways in which they are often given
wrongly. The one in which the same people's rays meet, set after set, is what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.estimation.keypoint_newcomers import grouped, unexplained_m
from refit_ros.estimation.keypoint_people import seen_plainly
from refit_ros.estimation.keypoint_tracks import Seen
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.match import Candidate, match

FEWEST_SETS, SOONEST_S = 5, 0.5  # without two rays that meet, more than with them, before causes are tried
WINS, TRIES = 3, 8  # of the same cause; sets in which causes are tried
APART_S, AGAIN_S = 0.1, 1.0  # between tries: the same image twice says nothing new; ... after the last of them
WELL_M = 0.05  # how far the limbs may lie from a body that a cause explains: nearer than of those who are somebody's
JOINED = 0.6  # of the people who are seen plainly, who must be seen by two cameras then
MOST_SETS = 100  # without: so that a rig that was put right is believed again in time
LONGEST_STEP_S = 1.0
OFF_MIDDLE = 0.2  # of half the image: a principal point farther from its middle is of an image of another size

_BODY_FROM_OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # REP 103: x forward from z forward
_GL_FROM_OPTICAL = np.diag([1.0, -1, -1])
_UNITS = ((1e-3, "in millimetres: give metres"), (1e-2, "in centimetres: give metres"))
_AXES = (
    (
        _BODY_FROM_OPTICAL,
        "of frames whose x axis points forward (a body frame of REP 103): give the optical frames (z forward)",
    ),
    (
        _GL_FROM_OPTICAL,
        "of frames whose z axis points backward (OpenGL, Blender): give the optical frames (z forward, y down)",
    ),
)
_INVERTED = "inverted (camera_from_fixed where fixed_from_camera is wanted): give their inverse"
SEEN_APART = "each camera sees people plainly, but the rays of no two cameras meet"
UNKNOWN = (
    f"{SEEN_APART}, though by their extrinsics and K they look at the same places: unless a wall is between them, one of "
    "these is wrong, or their images were not taken at one time; `python -m refit_ros calibrate` finds where cameras stand"
)

Fit = Callable[[list[list[Seen]]], list[KeypointBody]]


class RigDoubt:
    """`sentence`: what to tell the user; "" while there is no doubt."""

    def __init__(self, limit_s: float) -> None:
        """limit_s: for how long rays must not meet before that is told without a cause."""
        self._limit_s, self._stamp_s = limit_s, -np.inf
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._sets, self._sum_s, self._tried_s = 0, 0.0, -np.inf
        self._tries, self._wins = 0, Counter[str]()
        self.sentence = ""

    def judge(
        self,
        shown: Sequence[Seen],
        met: bool,
        cameras: Sequence[Camera],
        fit: Fit,
        stamp_s: float,
        config: TrackerConfig,
    ) -> None:
        """shown: everybody in each camera. met: whether some person is seen by two cameras together (`meet`)."""
        step_s = min(abs(stamp_s - self._stamp_s), LONGEST_STEP_S) if np.isfinite(self._stamp_s) else 0.0
        self._stamp_s = stamp_s
        plain = [one for one in shown if seen_plainly(one.found)]
        if met:
            self._sets, self._sum_s = max(self._sets - 1, 0), max(self._sum_s - step_s, 0.0)
            if not self._sets:
                self._begin_anew()  # what is right now needs no word
            return
        if len({one.view for one in plain}) < 2:
            return  # who is seen by one camera alone says nothing of the others
        self._sets, self._sum_s = min(self._sets + 1, MOST_SETS), min(self._sum_s + step_s, MOST_SETS * self._limit_s)
        if self._sets < FEWEST_SETS or self._sum_s < SOONEST_S:
            return
        if stamp_s - self._tried_s < (AGAIN_S if self.sentence or self._tries == TRIES else APART_S):
            return
        alone = fit([[one] for one in plain])
        # Who was begun apart is followed apart, even where all is right now.
        if could_meet(alone, plain, cameras, fit, config):
            self._begin_anew()
            return
        self._tried_s = stamp_s
        if self.sentence in ("", UNKNOWN) and self._tries < TRIES:
            self._tries += 1
            cause = likeliest(alone, plain, cameras, fit, config)
            self._wins[cause] += bool(cause)
            if self._wins[cause] >= WINS:
                self.sentence = f"{SEEN_APART}: {cause}"
        if not self.sentence and self._sum_s >= self._limit_s and self._tries >= WINS and look_at_each_other(alone, plain):
            self.sentence = UNKNOWN


def could_meet(
    alone: Sequence[KeypointBody], plain: Sequence[Seen], cameras: Sequence[Camera], fit: Fit, config: TrackerConfig
) -> bool:
    """Whether those who are seen plainly may well be the same people, with the cameras as they are given. alone: the bodies
    that each of them is by itself."""
    return _joined(alone, plain, cameras, fit, config, 0) >= JOINED * len(plain)


def likeliest(
    bodies: Sequence[KeypointBody], plain: Sequence[Seen], cameras: Sequence[Camera], fit: Fit, config: TrackerConfig
) -> str:
    """The cause with which most of those who are seen plainly are seen by two cameras; "" where there is none. bodies: those
    that each of them is by itself."""
    best, most = "", 0
    for cause, changed in causes(cameras, {one.view for one in plain}):
        lenses = any(one.calibration is not other.calibration for one, other in zip(changed, cameras))
        there = [replace(one, camera=changed[one.view]) for one in plain]
        alone = (
            fit([[one] for one in there]) if lenses else [_carried(body, *each) for body, *each in zip(bodies, plain, there)]
        )
        count = _joined(alone, there, changed, fit, config, most)
        if count > most and count >= JOINED * len(plain):
            best, most = cause, count
    return best


def _carried(body: KeypointBody, one: Seen, there: Seen) -> KeypointBody:
    """What a camera sees by itself, where the camera stands otherwise."""
    return replace(body, joints=there.camera.to_fixed(one.camera.to_camera(body.joints)))


def _joined(
    alone: Sequence[KeypointBody],
    seen: Sequence[Seen],
    cameras: Sequence[Camera],
    fit: Fit,
    config: TrackerConfig,
    most: int,
) -> int:
    """How many of those seen are somebody whom two cameras see, and whom one body explains well."""
    candidates = [Candidate(one.view, one.camera.to_camera(body.joints)) for body, one in zip(alone, seen)]
    if sum(len(group) for group in match(candidates, cameras, config) if len(group) > 1) <= most:
        return 0  # cheap, and mostly so
    people = grouped(alone, seen, cameras, fit, config)
    return sum(len(own) for body, own in people if meet(body, own))


def meet(body: KeypointBody, own: Sequence[Seen]) -> bool:
    """Whether two cameras see somebody, and one body explains what they see: rays pass each other by accident too."""
    return len(own) > 1 and bool(unexplained_m(body, own).max() < WELL_M)


def causes(cameras: Sequence[Camera], views: Collection[int]) -> Iterator[tuple[str, list[Camera]]]:
    """Each with what is said of it, and the cameras as they would be. views: of those who see somebody."""
    poses = np.array([camera.fixed_from_camera for camera in cameras])
    inverse = np.linalg.inv(poses)

    def placed(changed: np.ndarray) -> list[Camera]:
        return [replace(camera, fixed_from_camera=pose) for camera, pose in zip(cameras, changed)]

    scaled = [(unit, f"the cameras' places seem to be {words}") for unit, words in _UNITS]
    yield f"the cameras' poses seem to be {_INVERTED}", placed(inverse)
    for unit, words in scaled:
        yield words, placed(_in_units(poses, unit))
    for axes, words in _AXES:
        yield f"the cameras' poses seem to be {words}", placed(_turned(poses, axes))
    resized = [_of_the_images_size(camera) for camera in cameras]
    other = [one.name for one, before in zip(resized, cameras) if one is not before]
    if other:
        yield (
            f"K of camera {', '.join(other)} seems to be of another resolution than its images have (its principal point is "
            "far from their middle): scale K with the image, or calibrate at this resolution",
            resized,
        )
    for one, two in combinations(sorted(views), 2):
        exchanged = poses.copy()
        exchanged[[one, two]] = poses[[two, one]]
        yield f"the poses of cameras {cameras[one].name} and {cameras[two].name} seem to be exchanged", placed(exchanged)
    for unit, words in scaled:
        yield f"{words}; and their poses {_INVERTED}", placed(_in_units(inverse, unit))
        for axes, also in _AXES:
            yield f"{words}; and their poses {also}", placed(_turned(_in_units(poses, unit), axes))


def _in_units(poses: np.ndarray, unit_m: float) -> np.ndarray:
    changed = poses.copy()
    changed[:, :3, 3] *= unit_m
    return changed


def _turned(poses: np.ndarray, axes: np.ndarray) -> np.ndarray:
    changed = poses.copy()
    changed[:, :3, :3] = poses[:, :3, :3] @ axes
    return changed


def _of_the_images_size(camera: Camera) -> Camera:
    lens = camera.calibration
    half_px, middle_px = np.array([lens.width_px, lens.height_px]) / 2, lens.K[:2, 2]
    if (middle_px <= 0).any() or (np.abs(middle_px / half_px - 1) < OFF_MIDDLE).all():
        return camera
    scale = np.append(half_px / middle_px, 1.0)
    return replace(camera, calibration=replace(lens, K=scale[:, None] * lens.K))


def look_at_each_other(bodies: Sequence[KeypointBody], plain: Sequence[Seen]) -> bool:
    """Whether two cameras each see somebody whom the other should see too. bodies: those that each of them is by itself."""
    should = set()
    for body, one in zip(bodies, plain):
        for other in plain:
            if other.view != one.view and _in_image(other.camera, body.joints):
                should.add((one.view, other.view))
    return any((two, one) in should for one, two in should)


def _in_image(camera: Camera, joints_m: np.ndarray) -> bool:
    """Whether most of somebody is in a camera's image."""
    points, lens = camera.to_camera(joints_m), camera.calibration
    if (points[:, 2] <= 0).any():
        return False
    px = lens.project(points)
    return bool(((px >= 0) & (px < [lens.width_px, lens.height_px])).all(1).mean() > 0.5)

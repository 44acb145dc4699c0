"""Whose body each crop shows: one camera at a time, each body given once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera
from refit_ros.estimation.predicted_views import Prediction
from refit_ros.estimation.solve import ViewEstimate
from refit_ros.tracking.association import assign, margins
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import PredictedBody, distance2, surprise
from refit_ros.tracking.root_state import update, view_information

DIMENSIONS = 4  # bearing (2), log depth, pose


@dataclass(frozen=True)
class Seen:
    """What one crop showed."""

    crop: int
    owner: int | None  # the prediction it was cut for; None: for a box that nobody explains
    estimate: ViewEstimate


@dataclass(frozen=True)
class Association:
    """Of one set."""

    views: Mapping[int, Mapping[int, int]]  # prediction -> {camera: crop that shows them}
    missed: Mapping[int, tuple[int, ...]]  # prediction -> cameras whose crop was cut for them and does not show them
    squared: Mapping[int, Mapping[int, float]]  # prediction -> {camera: how far from where predicted, in sigmas, squared}
    unassigned: tuple[int, ...]  # crops of boxes that show nobody who is followed


def associate(
    seen: Sequence[Seen], predictions: Sequence[Prediction], cameras: Sequence[Camera], config: TrackerConfig
) -> Association:
    """Camera by camera: the bodies that its crops show, and which followed person each of them is.

    What one camera says of somebody moves where the next one expects them (sequential updates, Bar-Shalom, Li and
    Kirubarajan 2001), so that the bodies given to a person agree with each other and not only with a vague prediction. The
    cameras that leave least doubt who is whom are asked first.
    """
    views: dict[int, dict[int, int]] = {}
    squared_of: dict[int, dict[int, float]] = {}
    missed: dict[int, tuple[int, ...]] = {}
    unassigned: list[int] = []
    expected = [one.body for one in predictions]
    here = {camera: [each for each in seen if each.estimate.crop.camera == camera] for camera in range(len(cameras))}
    bodies = {camera: _bodies(those, config) for camera, those in here.items() if those}
    ways = {camera: _ways(camera, those, expected, predictions, cameras, config) for camera, those in bodies.items()}
    asked = list(bodies) if len(bodies) == 1 else sorted(bodies, key=lambda camera: (-_margin(ways[camera], config), camera))
    for camera in asked:
        if camera != asked[0]:  # somebody else's word may have moved where people are expected
            ways[camera] = _ways(camera, bodies[camera], expected, predictions, cameras, config)
        pairs = _assigned(ways[camera], config)
        for row, (column, squared, crop) in pairs.items():
            squared_of.setdefault(row, {})[camera], views.setdefault(row, {})[camera] = squared, crop
            estimate = next(each.estimate for each in bodies[camera][column] if each.crop == crop)
            if camera != asked[-1]:
                expected[row] = _seen_there(expected[row], estimate, cameras[camera], config)
        for each in here[camera]:
            if each.owner is not None and camera not in views.get(each.owner, {}):
                missed[each.owner] = (*missed.get(each.owner, ()), camera)
        taken = {column for column, _, _ in pairs.values()}
        for column, body in enumerate(bodies[camera]):
            if column not in taken:
                unassigned += [each.crop for each in body if each.owner is None]
    return Association(views, missed, squared_of, tuple(sorted(unassigned)))


@dataclass(frozen=True)
class _Ways:
    """In one camera, for each of N people each of M bodies that they may be."""

    rows: list[int]  # N predictions
    crops: list[list[int]]  # N x M: which crop of the body it would be
    squared: np.ndarray  # (N, M): how far it lies from where they are expected, in sigmas squared
    seen: np.ndarray  # (N,): the probability that they are there and seen


def _ways(
    camera: int,
    bodies: Sequence[Sequence[Seen]],
    expected: Sequence[PredictedBody],
    predictions: Sequence[Prediction],
    cameras: Sequence[Camera],
    config: TrackerConfig,
) -> _Ways:
    rows = [number for number, one in enumerate(predictions) if camera in one.views and not one.track.lost]
    best = [[_best(row, expected[row], body, cameras[camera], config) for body in bodies] for row in rows]
    squared = np.array([[distance for distance, _ in each] for each in best]).reshape(len(rows), len(bodies))
    seen = np.array([predictions[row].there(camera, cameras) for row in rows])
    return _Ways(rows, [[crop for _, crop in each] for each in best], squared, seen)


def _assigned(ways: _Ways, config: TrackerConfig) -> dict[int, tuple[int, float, int]]:
    """Prediction -> (which of the camera's bodies, how far from where expected, in sigmas squared, and the crop)."""
    pairs = assign(ways.squared, ways.seen, surprise(config.gate_sigma**2, DIMENSIONS), DIMENSIONS)
    return {
        ways.rows[row]: (column, float(ways.squared[row, column]), ways.crops[row][column]) for row, column in pairs.items()
    }


def _margin(ways: _Ways, config: TrackerConfig) -> float:
    """How clear it is in one camera who is whom, on average."""
    clear = margins(ways.squared, ways.seen, surprise(config.gate_sigma**2, DIMENSIONS), DIMENSIONS)
    return float(clear.mean()) if len(clear) else 0.0


def _seen_there(body: PredictedBody, estimate: ViewEstimate, camera: Camera, config: TrackerConfig) -> PredictedBody:
    """The same body after one camera's word on where it is."""
    seen_m, camera_m = camera.to_fixed(estimate.joints_m[:1])[0], camera.fixed_from_camera[:3, 3]
    place_m = camera_m + (seen_m - camera_m) * np.exp(-body.depth.mean)
    information = view_information(place_m, camera_m, config.bearing_sigma_m, body.depth.sigma(config))
    state = update(body.state, place_m, information)
    return replace(body, state=state, joints_m=body.joints_m + state.position_m - body.state.position_m)


def _bodies(here: Sequence[Seen], config: TrackerConfig) -> list[list[Seen]]:
    """One camera's estimates, those of one body together."""
    bodies: list[list[Seen]] = []
    for each in here:
        same = [body for body in bodies if any(_apart(each.estimate, one.estimate) < config.same_body for one in body)]
        bodies = [body for body in bodies if not any(body is one for one in same)]
        bodies.append([one for body in same for one in body] + [each])
    return bodies


def _best(
    number: int, expected: PredictedBody, body: Sequence[Seen], camera: Camera, config: TrackerConfig
) -> tuple[float, int]:
    """How far a body lies from a person, in sigmas squared, by the crop that was cut for them or else the nearest."""
    ways = [(distance2(expected, each.estimate.joints_m, camera, config), each.crop, each.owner) for each in body]
    own = [(distance, crop) for distance, crop, owner in ways if owner == number]
    return own[0] if own else min((distance, crop) for distance, crop, _ in ways)


def _apart(first: ViewEstimate, second: ViewEstimate) -> float:
    """Mean distance of the joints in the image, in sizes of the smaller body."""
    distance_px = np.linalg.norm(first.joints_px - second.joints_px, axis=-1).mean()
    return float(distance_px / min(size_px(first.joints_px), size_px(second.joints_px)))

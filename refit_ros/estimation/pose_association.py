"""Whose body each crop shows: one camera at a time, each body given once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera
from refit_ros.estimation.predicted_views import Prediction
from refit_ros.estimation.solve import ViewEstimate
from refit_ros.tracking.association import assign
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import distance2, surprise

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
    """Camera by camera: the bodies that its crops show, and which followed person each of them is."""
    views: dict[int, dict[int, int]] = {}
    squared_of: dict[int, dict[int, float]] = {}
    missed: dict[int, tuple[int, ...]] = {}
    unassigned: list[int] = []
    for camera in sorted({each.estimate.crop.camera for each in seen}):
        here = [each for each in seen if each.estimate.crop.camera == camera]
        bodies = _bodies(here, config)
        rows = [number for number, one in enumerate(predictions) if camera in one.views and not one.track.lost]
        ways = [[_best(row, predictions[row], body, cameras[camera], config) for body in bodies] for row in rows]
        squared = np.array([[distance for distance, _ in way] for way in ways]).reshape(len(rows), len(bodies))
        chance = np.array([predictions[row].there(camera, cameras) for row in rows])
        pairs = assign(squared, chance, surprise(config.gate_sigma**2, DIMENSIONS), DIMENSIONS)
        for row, column in pairs.items():
            squared_of.setdefault(rows[row], {})[camera], views.setdefault(rows[row], {})[camera] = ways[row][column]
        for each in here:
            if each.owner is not None and camera not in views.get(each.owner, {}):
                missed[each.owner] = (*missed.get(each.owner, ()), camera)
        for column, body in enumerate(bodies):
            if column not in pairs.values():
                unassigned += [each.crop for each in body if each.owner is None]
    return Association(views, missed, squared_of, tuple(sorted(unassigned)))


def _bodies(here: Sequence[Seen], config: TrackerConfig) -> list[list[Seen]]:
    """One camera's estimates, those of one body together."""
    bodies: list[list[Seen]] = []
    for each in here:
        same = [body for body in bodies if any(_apart(each.estimate, one.estimate) < config.same_body for one in body)]
        bodies = [body for body in bodies if not any(body is one for one in same)]
        bodies.append([one for body in same for one in body] + [each])
    return bodies


def _best(number: int, one: Prediction, body: Sequence[Seen], camera: Camera, config: TrackerConfig) -> tuple[float, int]:
    """How far a body lies from a person, in sigmas squared, by the crop that was cut for them or else the nearest."""
    ways = [(distance2(one.body, each.estimate.joints_m, camera, config), each.crop, each.owner) for each in body]
    own = [(distance, crop) for distance, crop, owner in ways if owner == number]
    return own[0] if own else min((distance, crop) for distance, crop, _ in ways)


def _apart(first: ViewEstimate, second: ViewEstimate) -> float:
    """Mean distance of the joints in the image, in sizes of the smaller body."""
    distance_px = np.linalg.norm(first.joints_px - second.joints_px, axis=-1).mean()
    return float(distance_px / min(size_px(first.joints_px), size_px(second.joints_px)))

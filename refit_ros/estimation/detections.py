"""What the detector says to the followed: who was found, who was not, and what nobody explains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import clipped, overlap
from refit_ros.camera.views import Camera
from refit_ros.estimation.predicted_views import Prediction, with_views
from refit_ros.estimation.tracks import IN_SIGHT, MOST_IN_SIGHT, predicted_pose
from refit_ros.tracking import existence, root_state
from refit_ros.tracking.association import assign
from refit_ros.tracking.config import TrackerConfig

SAME_BOX = 0.5  # a box that overlaps that of somebody found by this much is that person again
CONFIDENCE_MEMORY = 0.3
DIMENSIONS = 3  # of a box: middle and height


@dataclass(frozen=True)
class Unassigned:
    """A box that no followed person explains."""

    camera: int
    raw_box: np.ndarray  # (4,) px
    confidence: float


@dataclass(frozen=True)
class Detections:
    """Of one set, beside what was predicted."""

    boxes: Mapping[int, Boxes]  # by camera that was looked at
    found: tuple[Mapping[int, int], ...]  # of each prediction: camera -> its box
    unassigned: tuple[Unassigned, ...]


def associate_detections(
    predictions: Sequence[Prediction], boxes: Mapping[int, Boxes], cameras: Sequence[Camera], config: TrackerConfig
) -> Detections:
    """Camera by camera, which box is whose."""
    found: list[dict[int, int]] = [{} for _ in predictions]
    unassigned = []
    for camera, here in boxes.items():
        rows = [number for number, one in enumerate(predictions) if camera in one.views]
        squared = np.array(
            [[_distance2(predictions[row], camera, box, cameras[camera], config) for box in here.xyxy_px] for row in rows]
        ).reshape(len(rows), len(here.confidence))
        seen = np.array([config.recall * predictions[row].there(camera, cameras) for row in rows])
        pairs = assign(squared, seen, config.box_density, DIMENSIONS)
        for row, column in pairs.items():
            found[rows[row]][camera] = column
        taken = here.xyxy_px[list(pairs.values())]
        for column, box in enumerate(here.xyxy_px):
            if column not in pairs.values() and not (overlap(box, taken) > SAME_BOX).any():
                unassigned.append(Unassigned(camera, box, float(here.confidence[column])))
    return Detections(boxes, tuple(MappingProxyType(each) for each in found), tuple(unassigned))


def heard(
    predictions: Sequence[Prediction],
    detections: Detections,
    cameras: Sequence[Camera],
    suspected: Collection[str],
    stamp_s: float,
    config: TrackerConfig,
) -> list[Prediction]:
    """Everybody after the detector's word: surer or less sure, and where the boxes of cameras not `suspected` say."""
    corrected = []
    for one, found in zip(predictions, detections.found):
        trusted = {index: box for index, box in found.items() if cameras[index].name not in suspected}
        one = _told(one, found, detections, cameras, stamp_s, config)
        corrected.append(_corrected(one, trusted, detections, cameras, config))
    whole_image = any(view.silhouette is None for one in corrected for view in one.views.values())
    if whole_image or not any(detections.found):
        return corrected
    return with_views(corrected, cameras, config)


def _told(
    one: Prediction,
    found: Mapping[int, int],
    detections: Detections,
    cameras: Sequence[Camera],
    stamp_s: float,
    config: TrackerConfig,
) -> Prediction:
    track, asked = one.track, [camera for camera in one.views if camera in detections.boxes]
    if not asked and not (detections.boxes and not one.views):
        return one
    probability = {camera: config.recall * one.seen(camera, cameras) for camera in asked}
    entries = {
        camera: existence.seen(probability[camera], config) if camera in found else existence.missed(probability[camera])
        for camera in asked
    }
    weight = existence.discount(stamp_s - track.looked_s, config)
    confidence, hits, seen_s = track.confidence, track.hits, track.seen_s
    if found:
        best = max(float(detections.boxes[camera].confidence[column]) for camera, column in found.items())
        confidence, hits, seen_s = confidence + CONFIDENCE_MEMORY * (best - confidence), hits + len(found), stamp_s
    should = any(one.views[camera].visible > config.least_visible for camera in asked) or not one.views
    track = replace(
        track,
        confidence=confidence,
        hits=hits,
        seen_s=seen_s,
        looked_s=stamp_s,
        lost=not found and (track.lost or should),
        in_sight=_in_sight(one, asked, found, cameras, config),
        log_odds=track.log_odds.hearing(weight * sum(entries.values()), config),
    )
    return replace(one, track=track)


def _in_sight(
    one: Prediction, asked: Sequence[int], found: Mapping[int, int], cameras: Sequence[Camera], config: TrackerConfig
) -> dict[str, float]:
    """Not found although in the open: something that nobody knows of stands between, there and for a while."""
    known = dict(one.track.in_sight)
    for camera in asked:
        probability, name = config.recall * one.views[camera].visible, cameras[camera].name
        # Only where others see them: alone, a camera that does not find somebody says that nobody is there.
        missed = existence.missed(probability) if found else 0.0
        change = existence.seen(probability, config) if camera in found else missed
        known[name] = float(np.clip(known.get(name, IN_SIGHT) + change, -MOST_IN_SIGHT, MOST_IN_SIGHT))
    return known


def _corrected(
    one: Prediction, found: Mapping[int, int], detections: Detections, cameras: Sequence[Camera], config: TrackerConfig
) -> Prediction:
    """Where the boxes that are theirs say: each is a bearing, the worse the less of the person is in the open."""
    root = one.body.state
    before_m = root.position_m
    for index, column in found.items():
        camera, view = cameras[index], one.views[index]
        if view.silhouette is None or view.visible < config.least_visible:
            continue
        width_px, height_px = camera.calibration.width_px, camera.calibration.height_px
        off_px = _middle(detections.boxes[index].xyxy_px[column]) - _middle(clipped(view.raw_box, width_px, height_px))
        m_per_px = view.depth_m / camera.calibration.focal_px
        sigma_m = config.box_sigma * _size(view.raw_box) * m_per_px / view.visible
        place_m = before_m + camera.rotation.T @ np.append(off_px * m_per_px, 0.0)
        camera_m = camera.fixed_from_camera[:3, 3]
        root = root_state.update(root, place_m, root_state.view_information(before_m, camera_m, sigma_m, np.inf))
    if root is one.body.state:
        return one
    step_m = root.position_m - before_m
    body = replace(one.body, state=root, joints_m=one.body.joints_m + step_m)
    return replace(one, body=body, pose=predicted_pose(one.track, root), outline_m=one.outline_m + step_m)


def _distance2(one: Prediction, index: int, box: np.ndarray, camera: Camera, config: TrackerConfig) -> float:
    """Squared, in sigmas: of a box from where the person should be, in the middle and in height."""
    view, calibration = one.views[index], camera.calibration
    expected = clipped(view.raw_box, calibration.width_px, calibration.height_px)
    place = camera.rotation @ one.body.state.position_covariance_m2 @ camera.rotation.T
    noise_px = config.box_sigma * _size(view.raw_box)
    variance = noise_px**2 + (calibration.focal_px / view.depth_m) ** 2 * np.diag(place)[:2]
    height = np.log(max(box[3] - box[1], 1.0) / max(expected[3] - expected[1], 1.0))
    away = (_middle(box) - _middle(expected)) ** 2 / variance
    return float(away.sum() + (height / config.box_size_sigma) ** 2)


def _middle(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def _size(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).max())

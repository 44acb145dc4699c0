"""Which crops of a set are looked at: of the followed, of cameras on trial, and of what nobody explains."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from refit_ros.camera import crops
from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.estimation.detections import Detections
from refit_ros.estimation.map_windows import corners_around, will_do
from refit_ros.estimation.occlusion import occlusion_mask
from refit_ros.estimation.predicted_views import Prediction
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Crop
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import sigma_across_m


@dataclass(frozen=True)
class CropPlan:
    """Crops, and whose they are."""

    crops: tuple[Crop, ...]
    followed: Mapping[int, tuple[int, ...]]  # prediction -> its crops, one a camera
    probes: tuple[tuple[int, int], ...]  # (prediction, crop) in cameras that may have moved: looked at, not believed
    newcomers: tuple[tuple[int, float], ...]  # (crop, confidence of its box), the most certain first
    dropped: int  # boxes for which there was no room

    def without(self, cameras: Collection[int]) -> CropPlan:
        """The part that other cameras show."""
        kept = [index for index, crop in enumerate(self.crops) if crop.camera not in cameras]
        if len(kept) == len(self.crops):
            return self
        new = {old: index for index, old in enumerate(kept)}
        followed = {number: tuple(new[crop] for crop in own if crop in new) for number, own in self.followed.items()}
        return CropPlan(
            tuple(self.crops[index] for index in kept),
            {number: own for number, own in followed.items() if own},
            tuple((number, new[crop]) for number, crop in self.probes if crop in new),
            tuple((new[crop], confidence) for crop, confidence in self.newcomers if crop in new),
            self.dropped,
        )


def plan_crops(
    predictions: Sequence[Prediction],
    detections: Detections,
    cameras: Sequence[Camera],
    suspected: Collection[str],
    settings: Settings,
    image_size: int,
    config: TrackerConfig,
    in_windows: bool = True,
) -> CropPlan:
    """`suspected`: names of cameras that may have moved; `image_size`: of the network's crops, px; `in_windows`: parts of
    the features are wanted where they will do."""
    planned: list[Crop] = []
    followed: dict[int, tuple[int, ...]] = {}
    probes: list[tuple[int, int]] = []
    for number, one in enumerate(predictions):
        if one.track.lost:
            continue
        views = views_to_use(one, number, detections, cameras, suspected, config)
        if not settings.fuse_views and views:  # the one in which the person is largest
            views = [max(views, key=lambda view: cameras[view].calibration.focal_px / one.views[view].depth_m)]
        for view in views:
            followed[number] = (*followed.get(number, ()), len(planned))
            crop = _crop(number, view, predictions, image_size, config)
            planned.append(_in_windows(crop, one, cameras[view], image_size, config) if in_windows else crop)
        for view in one.views if settings.fuse_views else ():
            if view not in views and cameras[view].name in suspected and one.views[view].in_the_open > config.least_visible:
                probes.append((number, len(planned)))
                planned.append(_crop(number, view, predictions, image_size, config))
    newcomers, dropped = _plan_new(planned, detections, len(predictions), cameras, suspected, settings)
    return CropPlan(tuple(planned), followed, tuple(probes), tuple(newcomers), dropped)


def views_to_use(
    one: Prediction,
    number: int,
    detections: Detections,
    cameras: Sequence[Camera],
    suspected: Collection[str],
    config: TrackerConfig,
) -> list[int]:
    """The cameras in which a followed person is worth a crop; those `suspected` only for want of others."""
    views = []
    for view in one.views:
        chance = one.seen(view, cameras)
        if view in detections.found[number]:
            chance = 1.0
        elif view in detections.boxes:  # looked at in vain: Bayes' rule
            chance *= (1 - config.recall) / (1 - config.recall * chance)
        if chance > config.least_visible:
            views.append(view)
    trusted = [view for view in views if cameras[view].name not in suspected]
    return trusted if len(cameras) > 2 and trusted else views


def _crop(number: int, view: int, predictions: Sequence[Prediction], image_size: int, config: TrackerConfig) -> Crop:
    where = predictions[number].views[view]
    square = crops.square_around(where.square_box)
    others = [
        silhouette
        for other, one in enumerate(predictions)
        if other != number and view in one.views and one.hides(config)
        if (silhouette := one.views[view].silhouette) is not None
    ]
    mask = occlusion_mask(where.silhouette, others, square, image_size) if where.silhouette is not None else None
    return Crop(view, square, mask, where.overlap)


def _in_windows(crop: Crop, one: Prediction, camera: Camera, image_size: int, config: TrackerConfig) -> Crop:
    """The same crop with the parts of its maps that will be read, where somebody is known well enough."""
    sigma_px = _sigma_m(one, camera, config) * camera.calibration.focal_px / one.views[crop.camera].depth_m
    if not will_do(sigma_px, crop.square):
        return crop
    return replace(crop, windows=corners_around(one.outline_m[: -len(JOINT_NAMES)], camera, crop.square, image_size))


def _sigma_m(one: Prediction, camera: Camera, config: TrackerConfig) -> float:
    """How far somebody's markers may be from where they are expected, across a camera's ray."""
    place_m = float(sigma_across_m([one.body.state], CameraRows.of([camera]))[0, 0])
    return math.hypot(place_m, config.pose_change_m_s * one.body.unseen_s)


def _plan_new(
    planned: list[Crop],
    detections: Detections,
    followed: int,
    cameras: Sequence[Camera],
    suspected: Collection[str],
    settings: Settings,
) -> tuple[list[tuple[int, float]], int]:
    """Adds the crops of unassigned boxes to `planned`."""
    room = max(0, settings.max_people - followed)
    trusted = sum(camera.name not in suspected for camera in cameras)
    taken: dict[int, int] = {}
    newcomers, dropped = [], 0
    for box in sorted(detections.unassigned, key=lambda each: -each.confidence):
        if cameras[box.camera].name in suspected and trusted >= 2:
            continue
        if taken.get(box.camera, 0) >= room:
            dropped += 1
            continue
        taken[box.camera] = taken.get(box.camera, 0) + 1
        newcomers.append((len(planned), box.confidence))
        square = crops.square_around(crops.box_in_square_pixels(box.raw_box, cameras[box.camera].calibration))
        planned.append(Crop(box.camera, square))
    return newcomers, dropped

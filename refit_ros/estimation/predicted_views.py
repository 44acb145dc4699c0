"""Where followed people should be seen: in each camera a box, a depth, and how much of them is in the open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from refit_ros.camera import crops
from refit_ros.camera.geometry import around, clipped, covered
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.estimation.occlusion import Silhouette, stands_before
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.solve import Solver
from refit_ros.estimation.tracks import IN_SIGHT, Track, predicted_bodies, predicted_pose
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import PredictedBody

NEAREST_M = 0.3  # no part of a body may be nearer to the camera than this
LEAST_IN_IMAGE = 0.25  # share of the predicted box that must lie inside the image
LEAST_SIDE_PX = 12.0


@dataclass(frozen=True)
class PredictedView:
    """Where one camera should see one body."""

    square_box: np.ndarray  # (4,) px of the square-pixel image, not cut down to the image
    raw_box: np.ndarray  # (4,) px of the raw image, likewise
    depth_m: float
    in_image: float  # 0 .. 1: share of the box
    silhouette: Silhouette | None = None
    in_the_open: float = 1.0  # 0 .. 1: share of the box before which nobody else stands
    overlap: float = 0.0  # 0 .. 1: share of the box that somebody else's covers, before or behind

    @property
    def visible(self) -> float:
        """0 .. 1: share of the box that is in the image and in the open."""
        return self.in_image * self.in_the_open


@dataclass(frozen=True)
class Prediction:
    """A followed person before a set is looked at."""

    track: Track
    body: PredictedBody
    pose: Pose
    outline_m: np.ndarray  # (N, 3) m, fixed frame: markers, then the 24 joints
    views: Mapping[int, PredictedView]  # by camera

    def hides(self, config: TrackerConfig) -> bool:
        """Whether they are known well enough to stand where they should be to excuse whoever is not seen behind them."""
        spread_m = np.sqrt(np.linalg.eigvalsh(self.body.state.position_covariance_m2)[-1])
        return self.track.is_sure and bool(spread_m < config.body_depth_m)

    def seen(self, camera: int, cameras: Sequence[Camera]) -> float:
        """The probability that whoever looks there sees them, if they are there, but for what the eye itself misses.

        That something else stands between is no excuse for somebody who has no id yet.
        """
        view = self.views[camera]
        in_sight = expit(self.track.in_sight.get(cameras[camera].name, IN_SIGHT)) if self.track.id is not None else 1.0
        return float(view.visible * in_sight)

    def there(self, camera: int, cameras: Sequence[Camera]) -> float:
        """The probability that there is such a person and that they are seen."""
        return self.seen(camera, cameras) * float(expit(self.track.log_odds.total))


def predict_view(outline_m: np.ndarray, camera: Camera) -> PredictedView | None:
    """Where a body is to be seen in a camera, or None; its points (N, 3) m of the fixed frame end with the 24 joints."""
    points = camera.to_camera(outline_m)
    if points[:, 2].min() < NEAREST_M:
        return None
    square_px = camera.calibration.project_square(points)
    box = around(square_px)
    raw = around(camera.calibration.project(points)) if not camera.calibration.is_plain else box
    seen = clipped(raw, camera.calibration.width_px, camera.calibration.height_px)
    in_image = float(covered(raw[None], seen[None])[0, 0])
    if in_image < LEAST_IN_IMAGE or (seen[2:] - seen[:2]).min() < LEAST_SIDE_PX:
        return None
    depth_m = float(points[:, 2].mean())
    silhouette = Silhouette(square_px[-len(JOINT_NAMES) :], camera.calibration.focal_px / depth_m)
    return PredictedView(box, raw, depth_m, in_image, silhouette)


def predict_views(
    tracks: Sequence[Track],
    cameras: Sequence[Camera],
    solver: Solver,
    stamp_s: float,
    config: TrackerConfig,
    whole_image: bool,
) -> list[Prediction]:
    """Where each followed person should be in each image; with `whole_image` all of it is the first one's box."""
    bodies = predicted_bodies(tracks, stamp_s, config)
    poses = [predicted_pose(track, body.state) for track, body in zip(tracks, bodies)]
    outlines = solver.outlines(poses)
    predictions = [Prediction(*each, views={}) for each in zip(tracks, bodies, poses, outlines)]
    if whole_image:
        boxes = {index: _whole(camera) for index, camera in enumerate(cameras)}
        return [replace(one, views=boxes if number == 0 else {}) for number, one in enumerate(predictions)]
    return with_views(predictions, cameras, config)


def with_views(predictions: Sequence[Prediction], cameras: Sequence[Camera], config: TrackerConfig) -> list[Prediction]:
    """The same people, looked for in these cameras."""
    alone = []
    for one in predictions:
        found = ((index, predict_view(one.outline_m, camera)) for index, camera in enumerate(cameras))
        alone.append({index: view for index, view in found if view is not None})
    together = []
    for number, one in enumerate(predictions):
        # Who is not yet sure to be there hides nobody: else a ghost would excuse those whose boxes it takes.
        others = [seen for other, seen in enumerate(alone) if other != number and predictions[other].hides(config)]
        views = {index: beside(view, index, others, config) for index, view in alone[number].items()}
        together.append(replace(one, views=views))
    return together


def beside(
    view: PredictedView, camera: int, others: Sequence[Mapping[int, PredictedView]], config: TrackerConfig
) -> PredictedView:
    """The same view with what others hide of it, each of them {camera: where}."""
    there = [seen[camera] for seen in others if camera in seen]
    if not there:
        return view
    shares = covered(view.raw_box[None], np.array([other.raw_box for other in there]))[0]
    before = stands_before(np.array([other.depth_m for other in there]), np.array(view.depth_m), config)
    return replace(view, in_the_open=float(1 - (shares * before).max()), overlap=float(shares.max()))


def _whole(camera: Camera) -> PredictedView:
    size = np.array([0, 0, camera.calibration.width_px, camera.calibration.height_px], float)
    return PredictedView(crops.box_in_square_pixels(size, camera.calibration), size, 1.0, 1.0)

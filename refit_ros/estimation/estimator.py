"""From a synchronized set of images to the people in it: the one entry to everything in this package."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.history import CLOCK_SET_BACK_S
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.inference import Prepared
from refit_ros.core.refit import Features, Refit
from refit_ros.core.small_matrices import on_one_thread
from refit_ros.detection.protocol import cleaned
from refit_ros.estimation.budget import Budget
from refit_ros.estimation.contradictions import contradictions
from refit_ros.estimation.crop_plan import CropPlan, plan_crops
from refit_ros.estimation.detections import Detections, associate_detections, heard
from refit_ros.estimation.evidence import Evidence
from refit_ros.estimation.eyes import NO_ANSWER, Eyes, FeatureEyes
from refit_ros.estimation.held_shapes import held_shape, hold, of_everybody
from refit_ros.estimation.lifecycle import Everybody, admitted, brought_up, managed, newborn_log_odds
from refit_ros.estimation.mesh import person_vertices
from refit_ros.estimation.pose_estimation import FrameEstimates, PoseEstimation
from refit_ros.estimation.predicted_views import Prediction, predict_views
from refit_ros.estimation.publish import publish
from refit_ros.estimation.search import Searcher, detectors
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.smooth import Smoother
from refit_ros.estimation.solve import Solver
from refit_ros.estimation.stamps import StampGrid
from refit_ros.estimation.tracks import predicted_pose
from refit_ros.estimation.types import People, Person
from refit_ros.estimation.view_evidence import Search, expectations, features_in_order, seen_in_parts
from refit_ros.tracking import root_state
from refit_ros.tracking.config import DEFAULT, TrackerConfig
from refit_ros.tracking.moved_cameras import MovedCameras, as_of_vga

__all__ = ["Estimator", "person_vertices"]

UNSURE_M = 0.25  # a prediction less sure than this wants the detector's word before anybody is looked at


class Estimator:
    """Finds, follows, matches and fuses people. One set of images at a time, in the order of their stamps.

    A set goes through stages from values to values: predicted views, detections, crops, what they show, poses, people.
    """

    def __init__(
        self,
        network: Refit | Prepared,
        settings: Settings | None = None,
        detector: object | None = None,
        config: TrackerConfig = DEFAULT,
        eyes: Eyes | None = None,
    ) -> None:
        """detector: an own one instead of the settings', an object with `find(images)` (see detection/results.py).
        eyes: where images are looked at, if not here.

        Raises ValueError or FileNotFoundError, with a sentence, where the detector cannot be had.
        """
        self.settings, self.config = settings or Settings(), config
        self._solver = Solver(network.eval(), self.settings.known_height_m)
        self._eyes = eyes or FeatureEyes(network, detectors(self.settings, self._solver.device, detector))
        self.begin_anew()

    def begin_anew(self) -> None:
        """As it was made: for another recording."""
        self._searcher = Searcher(self._eyes, self.settings)
        self._several = False  # more than one camera, or extrinsics, were ever seen
        self._held: dict[int, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets everybody, and shapes held for single people; a shape held for everybody stays."""
        settings = self.settings
        self._everybody = Everybody()
        self._moved = MovedCameras(settings.moved_camera_px, settings.moved_camera_s, self.config)
        self._budget = Budget(settings.latency_budget_ms)
        self._smoother = Smoother(settings.smoothing)
        self._poses = PoseEstimation(settings, self._solver, self._budget, self.config)
        self._held = of_everybody(self._held)
        self._sets = 0
        self._in_doubt = False
        self._stamp_s, self._stamps = -np.inf, StampGrid()
        self._cameras: tuple[Camera, ...] = ()  # of the last set

    def set_shape(self, person_id: int, betas: np.ndarray | None) -> None:
        """Holds a person's betas (10,) fixed from the next set on, or releases them (None); -1: everybody.

        Raises ValueError for an id nobody has and for betas that are not ten finite numbers within held_shapes.LIMIT.
        """
        hold(self._held, person_id, betas, [track.id for track in self._everybody.tracks if track.id is not None])

    @property
    def evidence(self) -> dict[int, Evidence]:
        """By id: what the last look at each followed person gave. Only people who were seen in the last set."""
        return {track.id: track.evidence for track in self._everybody.tracks if track.id is not None and track.fresh}

    @on_one_thread()
    def estimate(self, views: Sequence[View]) -> People:
        """Everybody in one synchronized set, in the fixed frame; nobody in it when nobody is seen.

        Views that cannot be used are named in `left_out` with the reason. Bad images and boxes never raise.
        """
        started_s = time.perf_counter()
        self._several |= len(views) > 1 or any(view.fixed_from_camera is not None for view in views)
        cameras, left_out = usable(views, self._several)
        if not cameras:
            newest_s = max((view.stamp_s for view in views if np.isfinite(view.stamp_s)), default=0.0)
            return People(newest_s, (), (), left_out, moved_cameras=self._moved.reported)
        before_s, stamp_s = self._advance(cameras)
        predictions = self._predicted(cameras, stamp_s)
        boxes, dropped, calls = self._detect(cameras, predictions)
        detections = associate_detections(predictions, boxes, cameras, self.config)
        predictions = heard(predictions, detections, cameras, self._moved.suspected, stamp_s, self.config)
        detected_s = time.perf_counter()
        plan = self._planned(predictions, detections, cameras)
        asked = {crop.camera for crop in plan.crops}
        plan, features = self._looked(plan, cameras)
        encoded_s = time.perf_counter()
        try:
            plan, frame = self._solved(plan, features, predictions, cameras, stamp_s)
        except FloatingPointError as error:  # weights that do not fit: nothing of it may leave
            frame, left_out = FrameEstimates(), {**left_out, **{camera.name: str(error) for camera in cameras}}
        unseen = asked - {crop.camera for crop in plan.crops}
        left_out |= {cameras[index].name: NO_ANSWER for index in unseen}
        people = self._concluded(frame, predictions, detections, cameras, before_s, stamp_s)
        total_s = time.perf_counter() - started_s
        self._budget.spent(total_s - (detected_s - started_s), frame.loop_s, frame.iterations)
        spent = {"detect": detected_s - started_s, "encode": encoded_s - detected_s, "loop": frame.loop_s, "total": total_s}
        return People(
            self._stamp_s,
            people,
            tuple(camera.name for index, camera in enumerate(cameras) if index not in unseen),
            left_out,
            frame.iterations,
            calls,
            self._moved.reported,
            dropped + plan.dropped,
            spent,
        )

    def _looked(self, plan: CropPlan, cameras: Sequence[Camera], whole: bool = False) -> tuple[CropPlan, Features | None]:
        """The plan without the cameras of whom nothing came, and what its crops show."""
        seen = self._eyes.look(cameras, expectations(plan.crops, whole))
        plan = plan.without({crop.camera for crop in plan.crops} - set(seen))
        return plan, features_in_order(plan.crops, seen) if plan.crops else None

    def _solved(
        self,
        plan: CropPlan,
        features: Features | None,
        predictions: Sequence[Prediction],
        cameras: Sequence[Camera],
        stamp_s: float,
    ) -> tuple[CropPlan, FrameEstimates]:
        """Everybody. Raises FloatingPointError where the network's output is not finite."""
        try:
            encoded = self._solver.encoded(cameras, plan.crops, features)
            return plan, self._poses(plan, encoded, predictions, cameras, stamp_s, self._held)
        except FloatingPointError:
            if not seen_in_parts(features):
                raise
        plan, features = self._looked(plan, cameras, whole=True)  # somebody was not where they were expected
        return self._solved(plan, features, predictions, cameras, stamp_s)

    def look_ahead(self) -> None:
        """Tells the eyes what will be asked of the next images, if they are taken when they should be and nobody needs to be
        looked for in them. It changes nothing but how soon the eyes know."""
        stamp_s = self._stamps.next_s
        if stamp_s is None or not self._stamps.is_steady or not self._everybody.tracks:
            return
        if any(camera.boxes is not None for camera in self._cameras):
            return
        predictions = self._predicted(self._cameras, stamp_s)
        if self._is_due(predictions):
            return
        detections = associate_detections(predictions, {}, self._cameras, self.config)
        predictions = heard(predictions, detections, self._cameras, self._moved.suspected, stamp_s, self.config)
        plan = self._planned(predictions, detections, self._cameras)
        if plan.crops:
            self._eyes.expect(self._cameras, expectations(plan.crops), stamp_s - self._stamp_s)

    def _predicted(self, cameras: Sequence[Camera], stamp_s: float) -> list[Prediction]:
        whole_image = self.settings.detector == "full_image"
        return predict_views(self._everybody.tracks, cameras, self._solver, stamp_s, self.config, whole_image)

    def _planned(self, predictions: Sequence[Prediction], detections: Detections, cameras: Sequence[Camera]) -> CropPlan:
        size = self._solver.network.config.image_size
        given = cameras, self._moved.suspected, self.settings, size, self.config
        return plan_crops(predictions, detections, *given, in_windows=self._eyes.sends)

    def _advance(self, cameras: Sequence[Camera]) -> tuple[float, float]:
        """The time of the last set and of this one."""
        stamp_s = max(camera.stamp_s for camera in cameras)
        if stamp_s < self._stamp_s - CLOCK_SET_BACK_S:  # a bag played again
            self.reset()
        self._stamp_s, self._cameras = max(stamp_s, self._stamp_s), tuple(cameras)
        return self._stamps.taken(self._stamp_s)

    def _is_due(self, predictions: Sequence[Prediction]) -> bool:
        """Whether people are to be looked for in a set."""
        unsure = any(np.trace(one.body.state.position_covariance_m2) > UNSURE_M**2 for one in predictions)
        return (
            self.settings.detector == "full_image"
            or self._everybody.somebody_is_missing
            or self._in_doubt
            or unsure
            or self._sets % self.settings.detector_interval == 0
        )

    def _detect(self, cameras: Sequence[Camera], predictions: Sequence[Prediction]) -> tuple[dict[int, Boxes], int, int]:
        """Cleaned boxes of each camera that was asked, boxes dropped, and calls of the detector."""
        settings, due = self.settings, self._is_due(predictions)
        self._sets += 1
        # Boxes that come with a view are taken in place of the detector's.
        found = {index: camera.boxes for index, camera in enumerate(cameras) if camera.boxes is not None}
        asked = (
            [index for index in range(len(cameras)) if index not in found]
            if due and self._eyes.searches(Search.DETECTOR)
            else []
        )
        found.update(self._searcher.find(cameras, asked))
        dropped = 0
        for index, boxes in found.items():
            calibration = cameras[index].calibration
            found[index], gone = cleaned(
                boxes, calibration.width_px, calibration.height_px, settings.detector_confidence, settings.max_people
            )
            dropped += gone
        return found, dropped, len(asked)

    def _concluded(
        self,
        frame: FrameEstimates,
        predictions: Sequence[Prediction],
        detections: Detections,
        cameras: Sequence[Camera],
        before_s: float,
        stamp_s: float,
    ) -> tuple[Person, ...]:
        """Tracks brought up to date with what was seen; the people to publish."""
        config, suspected = self.config, self._moved.suspected
        tracks = brought_up(predictions, frame, cameras, self._held, before_s, stamp_s, config)
        outlines = self._solver.outlines([new.estimate.pose for new in frame.newcomers])
        newcomers = [
            (new, newborn_log_odds(new, outline, predictions, detections, cameras, suspected, config))
            for new, outline in zip(frame.newcomers, outlines)
        ]
        everybody, estimates = admitted(
            replace(self._everybody, tracks=tracks), newcomers, cameras, stamp_s, config, list(frame.followed.values())
        )
        estimates |= {predictions[number].track.key: one for number, one in frame.followed.items()}
        self._everybody = managed(everybody, stamp_s, self.settings, config)
        self._in_doubt = any(frame.missed.values())
        # Where a camera's boxes are no longer where its people should be, how far off they are is as good as a residual.
        astray_px = {**contradictions(predictions, detections, cameras, config), **frame.residual_px}
        self._moved.judge(as_of_vga(astray_px, cameras), stamp_s)
        by_id = {track.id: track for track in self._everybody.tracks if track.id is not None}
        followed = dict(sorted(by_id.items())[: self.settings.max_people])
        poses = self._smoother({track.key: self._pose(track, stamp_s) for track in followed.values()}, stamp_s)
        return publish(followed, estimates, poses, self._solver, cameras, stamp_s)

    def _pose(self, track, stamp_s: float):
        """As they were seen, or where they should be by now, in the shape that is held: whoever comes back was looked at
        before it was known who it is."""
        pose = track.pose
        if not track.fresh:
            pose = predicted_pose(track, root_state.predict(track.root, stamp_s, self.config))
        held = held_shape(track.id, self._held)
        if held is None or np.allclose(pose.betas, held, atol=1e-5):
            return pose
        joints = self._solver.joints(held[None], pose.rotmats[None])[0][0]
        transl = pose.joints[0] - joints[0]
        return replace(pose, betas=held, transl=transl, joints=joints + transl)

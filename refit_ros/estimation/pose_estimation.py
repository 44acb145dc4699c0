"""The bodies of one set: the loop over the features of its crops, whose body each shows, and where everybody is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.estimation.budget import Budget
from refit_ros.estimation.crop_plan import CropPlan
from refit_ros.estimation.held_shapes import held_shape
from refit_ros.estimation.pose_association import Association, Seen, associate
from refit_ros.estimation.predicted_views import Prediction
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Encoded, FusedEstimate, Prior, Solver, ViewEstimate
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.match import Candidate, match
from refit_ros.tracking.measurement import belief

WARM_FOR_S = 0.5  # a state older than this is no start any more


@dataclass(frozen=True)
class Newcomer:
    """Somebody whom no followed person explains."""

    estimate: FusedEstimate
    confidence: float
    seen_in: frozenset[int]  # cameras, also those that were not used


@dataclass(frozen=True)
class FrameEstimates:
    """What one set showed."""

    followed: Mapping[int, FusedEstimate] = field(default_factory=dict)  # by prediction
    missed: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # prediction -> cameras that showed somebody else
    newcomers: tuple[Newcomer, ...] = ()
    residual_px: Mapping[str, float] = field(default_factory=dict)  # camera: from where the others see people, the median
    iterations: int = 0
    loop_s: float = 0.0


@dataclass(frozen=True)
class _Frame:
    """What the steps below share: one set, encoded, and what is known beforehand."""

    encoded: Encoded
    predictions: Sequence[Prediction]
    cameras: Sequence[Camera]
    stamp_s: float
    held: Mapping[int, np.ndarray]  # betas that were given, by id, -1 for everybody else


class PoseEstimation:
    """Solves a set at a time; nothing of it is kept."""

    def __init__(self, settings: Settings, solver: Solver, budget: Budget, config: TrackerConfig) -> None:
        self._settings, self._solver, self._budget, self._config = settings, solver, budget, config

    def __call__(
        self,
        plan: CropPlan,
        encoded: Encoded,
        predictions: Sequence[Prediction],
        cameras: Sequence[Camera],
        stamp_s: float,
        held: Mapping[int, np.ndarray],
    ) -> FrameEstimates:
        """`encoded`: the crops of `plan`. Raises FloatingPointError where the network's output is not finite."""
        started_s = time.perf_counter()
        frame = _Frame(encoded, predictions, cameras, stamp_s, held)
        first = self._solve(frame, plan.followed)
        alone = self._alone(frame, plan)
        pairs = associate(_seen(plan, first, alone), predictions, cameras, self._config)
        groups = {number: tuple(crop for _, crop in sorted(views.items())) for number, views in pairs.views.items()}
        changed = {number: group for number, group in groups.items() if group != plan.followed.get(number)}
        views = {number: first[number] for number in groups if number not in changed} | self._solve(frame, changed)
        followed = self._placed(frame, dict(sorted(views.items())), pairs)
        newcomers = self._newcomers(frame, plan, alone, pairs)
        return FrameEstimates(
            followed,
            pairs.missed,
            newcomers,
            _residuals(frame, plan, alone, first, followed),
            self._iterations(frame, plan.followed, bool(plan.newcomers)),
            time.perf_counter() - started_s,
        )

    def _is_warm(self, frame: _Frame, number: int) -> bool:
        return self._settings.warm_start and frame.predictions[number].body.unseen_s <= WARM_FOR_S

    def _iterations(self, frame: _Frame, groups: Mapping[int, Sequence[int]], new: bool) -> int:
        """The most that anybody was given."""
        wished = {
            self._settings.tracked_iterations if self._is_warm(frame, n) else self._settings.iterations for n in groups
        }
        wished |= {self._settings.iterations} if new else set()
        return max(map(self._budget.iterations, wished), default=0)

    def _placed(
        self, frame: _Frame, views: Mapping[int, Sequence[ViewEstimate]], pairs: Association
    ) -> dict[int, FusedEstimate]:
        """Where everybody is. Where views disagree, those count more that lie where the person was expected."""
        weights = [
            belief(np.array([pairs.squared[number][view.crop.camera] for view in group])) for number, group in views.items()
        ]
        priors = [self._prior(frame, number, warm=False) for number in views]
        return dict(zip(views, self._solver.placed(frame.encoded, list(views.values()), priors, weights)))

    def _solve(self, frame: _Frame, groups: Mapping[int, Sequence[int]]) -> dict[int, list[ViewEstimate]]:
        """These people from these crops: from their last states with few iterations, or from scratch with more."""
        warm = [number for number in groups if self._is_warm(frame, number)]
        cold = [number for number in groups if number not in warm]
        solved: dict[int, list[ViewEstimate]] = {}
        settings = self._settings
        for numbers, wished in ((warm, settings.tracked_iterations), (cold, settings.iterations)):
            priors = [self._prior(frame, number, numbers is warm) for number in numbers]
            count = self._budget.iterations(wished)
            solved.update(
                zip(numbers, self._solver.together(frame.encoded, [list(groups[n]) for n in numbers], priors, count))
            )
        return solved

    def _prior(self, frame: _Frame, number: int, warm: bool) -> Prior:
        one = frame.predictions[number]
        shape = one.track.shape if self._settings.smoothing > 0 else None
        return Prior(one.pose if warm else None, held_shape(one.track.id, frame.held), shape)

    def _alone(self, frame: _Frame, plan: CropPlan) -> dict[int, ViewEstimate]:
        """By crop: what is nobody's, and what cameras on trial show, each by itself."""
        crops = [crop for crop, _ in plan.newcomers] + [crop for _, crop in plan.probes]
        count = self._budget.iterations(self._settings.iterations)
        return dict(zip(crops, self._solver.alone(frame.encoded, crops, count)))

    def _newcomers(
        self, frame: _Frame, plan: CropPlan, alone: Mapping[int, ViewEstimate], pairs: Association
    ) -> tuple[Newcomer, ...]:
        if not pairs.unassigned:
            return ()
        crops, confidence = list(pairs.unassigned), dict(plan.newcomers)
        if self._settings.detector == "full_image":  # every image shows the one person
            groups = [list(range(len(crops)))]
        else:
            candidates = [Candidate(alone[crop].crop.camera, alone[crop].joints_m) for crop in crops]
            groups = match(candidates, list(frame.cameras), self._config)
        seen_in = [frozenset(alone[crops[i]].crop.camera for i in group) for group in groups]
        sure = [max(confidence[crops[i]] for i in group) for group in groups]
        if not self._settings.fuse_views:  # matched all the same, then seen by the view that shows most
            groups = [[max(group, key=lambda i: alone[crops[i]].crop.square.side_px)] for group in groups]
        chosen = [[crops[i] for i in group] for group in groups]
        prior = Prior(held=held_shape(None, frame.held))
        count = self._budget.iterations(self._settings.iterations)
        views = self._solver.together(frame.encoded, chosen, [prior] * len(groups), count)
        solved = self._solver.placed(frame.encoded, views, [prior] * len(groups), [None] * len(groups))
        return tuple(Newcomer(*each) for each in zip(solved, sure, seen_in))


def _seen(plan: CropPlan, first: Mapping[int, Sequence[ViewEstimate]], alone: Mapping[int, ViewEstimate]) -> list[Seen]:
    """What each crop showed, but for cameras on trial."""
    seen = [Seen(crop, number, view) for number, views in first.items() for crop, view in zip(plan.followed[number], views)]
    return seen + [Seen(crop, None, alone[crop]) for crop, _ in plan.newcomers]


def _residuals(
    frame: _Frame,
    plan: CropPlan,
    alone: Mapping[int, ViewEstimate],
    first: Mapping[int, Sequence[ViewEstimate]],
    followed: Mapping[int, FusedEstimate],
) -> dict[str, float]:
    """How far each camera's own estimates lie from people whom other cameras see, in px: {camera: median}."""
    found: dict[str, list[float]] = {}
    # Of two views either may be the wrong one, and where there are others, they tell more.
    enough = min(3, max((len(one.views) for one in followed.values()), default=0))
    for number, estimate in followed.items():
        used = {view.crop.camera for view in estimate.views}
        others = [view for view in first[number] if view.crop.camera not in used] if number in first else []
        others += [alone[crop] for owner, crop in plan.probes if owner == number]
        if len(used) >= max(enough, 2):
            for view, residual in zip(estimate.views, estimate.fused.residual_px):
                found.setdefault(frame.cameras[view.crop.camera].name, []).append(float(residual))
        if len(used) >= 2 or (len(used) == 1 and len(frame.cameras) == 2):
            for view in others:
                camera = frame.cameras[view.crop.camera]
                expected = camera.calibration.project_square(camera.to_camera(estimate.pose.joints))
                residual = float(np.sqrt(((expected - view.joints_px) ** 2).sum(-1).mean()))
                for name in {camera.name} if len(frame.cameras) > 2 else {each.name for each in frame.cameras}:
                    found.setdefault(name, []).append(residual)
    return {camera: float(np.median(values)) for camera, values in found.items()}

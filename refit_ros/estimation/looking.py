"""Looking at everybody in one set: which crops, one pass of the network, bodies of the followed and of newcomers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from refit_ros.camera import crops
from refit_ros.camera.views import Camera
from refit_ros.estimation.attention import Attention, crowding, usable_views
from refit_ros.estimation.budget import Budget
from refit_ros.estimation.doubt import doubtful_view
from refit_ros.estimation.exclusive import borrowed_views
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Look, Own, Pose, Solved, Solver, off_by
from refit_ros.estimation.track import Track
from refit_ros.estimation.veil import veil
from refit_ros.tracking.match import Candidate, match

EXPLAINED = 0.2  # of the size in the picture: joints this near to those of a followed person are his
SECOND_THOUGHTS = 2  # times a person may be solved again without a view
WARM_FOR_S = 0.5  # a state older than this is no start any more
COLD_MISFIT = 0.15  # residual over size in the picture from which a warm start is given up for one set


@dataclass
class Newcomer:
    """Somebody whom no followed person explains."""

    solved: Solved
    confidence: float
    seen_in: frozenset[int]  # cameras, also those that were not used


@dataclass
class Looked:
    """What one set showed."""

    followed: dict[int, Solved] = field(default_factory=dict)  # by track's position
    newcomers: list[Newcomer] = field(default_factory=list)
    residual_px: dict[str, list[float]] = field(default_factory=dict)  # camera: of each person seen by others too
    iterations: int = 0
    encode_s: float = 0.0
    loop_s: float = 0.0
    dropped: int = 0
    doubt: bool = False  # a view was left out, or somebody has jumped: the detector should look again


class Looking:
    """Cuts, encodes and solves a set at a time."""

    def __init__(
        self,
        settings: Settings,
        solver: Solver,
        budget: Budget,
        shape: Callable[[Track | None, np.ndarray, int], np.ndarray],
        held: Callable[[Track | None], np.ndarray | None],
    ) -> None:
        """shape(track, betas, views) -> betas to place a body with; held(track) -> betas known beforehand or None."""
        self._settings, self._solver, self._budget = settings, solver, budget
        self._shape, self._held = shape, held

    def __call__(
        self,
        attention: Attention,
        tracks: list[Track],
        cameras: list[Camera],
        suspected: tuple[str, ...],
        stamp_s: float,
    ) -> Looked:
        looked = Looked()
        looks: list[Look] = []
        groups, probes = self._plan_followed(attention, tracks, cameras, suspected, looks)
        newcomers = self._plan_new(attention, tracks, cameras, suspected, looks, looked)
        started = time.perf_counter()
        self._solver.look(cameras, looks)
        encoded = time.perf_counter()
        self._solve_followed(groups, tracks, stamp_s, looked)
        self._probe(probes, cameras, looked)
        known = [track.predicted(stamp_s) for track in tracks if not track.lost]
        self._solve_new(newcomers, looks, cameras, known, looked)
        looked.encode_s, looked.loop_s = encoded - started, time.perf_counter() - encoded
        return looked

    def _plan_followed(
        self, attention: Attention, tracks: list[Track], cameras: list[Camera], suspected: tuple[str, ...], looks: list[Look]
    ) -> tuple[dict[int, list[int]], list[tuple[int, int]]]:
        """Adds crops of followed people; returns {track: crops}, and (track, crop) of suspected cameras to probe."""
        groups: dict[int, list[int]] = {}
        probes = []
        for number, track in enumerate(tracks):
            if track.lost:
                continue
            expected = attention.expected[number]
            views = usable_views(number, attention, track, cameras, suspected)
            if not self._settings.fuse_views and views:  # the view in which the person is largest
                views = [max(views, key=lambda v: cameras[v].calibration.focal_px / expected[v].depth_m)]
            for view in expected:
                back = cameras[view].name in suspected and view not in attention.hidden[number]
                if view in views:
                    groups.setdefault(number, []).append(len(looks))
                elif back and self._settings.fuse_views:
                    probes.append((number, len(looks)))
                else:
                    continue
                box, found = expected[view].square_box, attention.drifted.get((number, view))
                if found is not None:
                    box = crops.box_in_square_pixels(found, cameras[view].calibration)
                square = crops.square_around(box)
                veiled = self._veil(number, view, attention, tracks, square)
                looks.append(Look(view, square, veiled, crowding(number, view, attention)))
        return groups, probes

    def _veil(self, number: int, view: int, attention: Attention, tracks: list[Track], square: crops.Square):
        """What of a followed person's crop shows others who are followed."""
        own = attention.expected[number][view].silhouette
        if own is None:
            return None
        others = [
            seen[view].silhouette
            for other, seen in enumerate(attention.expected)
            if other != number and view in seen and tracks[other].number is not None and not tracks[other].lost
        ]
        return veil(own, others, square, self._solver.network.config.image_size)

    def _plan_new(
        self,
        attention: Attention,
        tracks: list[Track],
        cameras: list[Camera],
        suspected: tuple[str, ...],
        looks: list[Look],
        looked: Looked,
    ) -> list[tuple[int, float]]:
        """Adds crops of unexplained detections, the most certain first; returns (crop, confidence)."""
        room = max(0, self._settings.max_people - len(tracks))
        taken: dict[int, int] = {}
        newcomers = []
        trusted = sum(camera.name not in suspected for camera in cameras)
        for camera, box, confidence in sorted(attention.unexplained, key=lambda entry: -entry[2]):
            if cameras[camera].name in suspected and trusted >= 2:
                continue
            if taken.get(camera, 0) >= room:
                looked.dropped += 1
                continue
            taken[camera] = taken.get(camera, 0) + 1
            newcomers.append((len(looks), confidence))
            square = crops.square_around(crops.box_in_square_pixels(box, cameras[camera].calibration))
            looks.append(Look(camera, square))
        return newcomers

    def _solve_followed(self, groups: dict[int, list[int]], tracks: list[Track], stamp_s: float, looked: Looked) -> None:
        self._solve_some(groups, tracks, stamp_s, looked)
        self._note_residuals(list(looked.followed.values()), looked)
        for _ in range(SECOND_THOUGHTS):  # views that show somebody else are left out, and the rest solved again
            again = self._without_borrowed(groups, tracks, stamp_s, looked)
            again |= self._without_doubtful([n for n in groups if n not in again], groups, tracks, stamp_s, looked)
            if not again:
                break
            looked.doubt = True
            groups.update(again)
            for number in [number for number, crops_ in again.items() if not crops_]:
                del groups[number], again[number], looked.followed[number]
            self._solve_some(again, tracks, stamp_s, looked)

    def _solve_some(self, groups: dict[int, list[int]], tracks: list[Track], stamp_s: float, looked: Looked) -> None:
        """Solves these people from their last states with few iterations, or from scratch with more."""
        settings = self._settings
        warm = [
            number
            for number in groups
            if settings.warm_start and stamp_s - tracks[number].stamp_s <= WARM_FOR_S and tracks[number].misfit < COLD_MISFIT
        ]
        cold = [number for number in groups if number not in warm]
        for numbers, wished in ((warm, settings.tracked_iterations), (cold, settings.iterations)):
            if not numbers:
                continue
            count = self._budget.iterations(wished)
            looked.iterations = max(looked.iterations, count)
            solved = self._solver.together(
                [groups[number] for number in numbers],
                [tracks[number].predicted(stamp_s) if numbers is warm else None for number in numbers],
                [self._held(tracks[number]) for number in numbers],
                count,
                lambda i, betas, numbers=numbers: self._shape(tracks[numbers[i]], betas, len(groups[numbers[i]])),
            )
            looked.followed.update(zip(numbers, solved))

    def _without_borrowed(
        self, groups: dict[int, list[int]], tracks: list[Track], stamp_s: float, looked: Looked
    ) -> dict[int, list[int]]:
        borrowed = borrowed_views(
            looked.followed,
            {number: tracks[number].predicted(stamp_s) for number in looked.followed},
            {number: tracks[number].hits for number in looked.followed},
            self._solver.cameras,
        )
        return {
            number: [crop for position, crop in enumerate(groups[number]) if position not in positions]
            for number, positions in borrowed.items()
        }

    def _without_doubtful(
        self, numbers: list[int], groups: dict[int, list[int]], tracks: list[Track], stamp_s: float, looked: Looked
    ) -> dict[int, list[int]]:
        again = {}
        for number in numbers:
            person = looked.followed[number]
            doubtful = doubtful_view(person, tracks[number].predicted(stamp_s), self._solver.cameras)
            if doubtful is not None and len(person.own) == len(groups[number]):
                again[number] = [crop for position, crop in enumerate(groups[number]) if position != doubtful]
        return again

    def _note_residuals(self, people: list[Solved], looked: Looked) -> None:
        # Of two views either may be the wrong one, and where there are others, they tell more.
        least = min(3, max((len(person.own) for person in people), default=0))
        for person in people:
            if len(person.own) >= max(least, 2):
                for one, residual in zip(person.own, person.fused.residual_px):
                    looked.residual_px.setdefault(self._solver.cameras[one.look.camera].name, []).append(float(residual))

    def _probe(self, probes: list[tuple[int, int]], cameras: list[Camera], looked: Looked) -> None:
        """Residuals of cameras that are left out, by their own estimates."""
        followed = looked.followed
        probes = [(number, crop) for number, crop in probes if number in followed and len(followed[number].own) > 1]
        for (number, _), own in zip(probes, self._solver.alone([crop for _, crop in probes], self._settings.iterations)):
            camera = cameras[own.look.camera]
            expected = camera.calibration.project_square(camera.to_camera(looked.followed[number].pose.joints))
            residual = float(np.sqrt(((expected - own.joints_px) ** 2).sum(-1).mean()))
            looked.residual_px.setdefault(camera.name, []).append(residual)

    def _solve_new(
        self, newcomers: list[tuple[int, float]], looks: list[Look], cameras: list[Camera], known: list[Pose], looked: Looked
    ) -> None:
        if not newcomers:
            return
        count = self._budget.iterations(self._settings.iterations)
        alone = self._solver.alone([crop for crop, _ in newcomers], count)
        strange = [i for i, own in enumerate(alone) if not _is_one_of(own, known, cameras[own.look.camera])]
        alone, newcomers = [alone[i] for i in strange], [newcomers[i] for i in strange]
        if not alone:
            return
        indices = [crop for crop, _ in newcomers]
        if self._settings.detector == "full_image":  # every picture shows the one person
            groups = [list(range(len(indices)))]
        else:
            groups = match([Candidate(own.look.camera, own.joints_m) for own in alone], cameras)
        confidences = [max(newcomers[i][1] for i in group) for group in groups]
        seen_in = [frozenset(looks[indices[i]].camera for i in group) for group in groups]
        if not self._settings.fuse_views:  # matched all the same, then seen by the view that shows most
            groups = [[max(group, key=lambda i: looks[indices[i]].square.side_px)] for group in groups]
        held = self._held(None)
        solved = self._solver.together(
            [[indices[i] for i in group] for group in groups],
            [None] * len(groups),
            [held] * len(groups),
            count,
            lambda i, betas: self._shape(None, betas, len(groups[i])),
        )
        looked.newcomers = [Newcomer(*each) for each in zip(solved, confidences, seen_in)]
        looked.iterations = max(looked.iterations, count)


def _is_one_of(own: Own, known: list[Pose], camera: Camera) -> bool:
    """Whether somebody who is followed stands in this camera where this estimate of a stranger does."""
    return any(
        camera.to_camera(pose.joints)[:, 2].min() > 0 and off_by(own, pose, camera) < EXPLAINED for pose in known
    )

"""Looking at everybody in one set: which crops, one pass of the network, bodies of the followed and of newcomers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from refit_ros.camera import crops
from refit_ros.camera.views import Camera
from refit_ros.estimation.attention import Attention, crowding, usable_views
from refit_ros.estimation.budget import Budget
from refit_ros.estimation.doubt import doubtful_view
from refit_ros.estimation.exclusive import borrowed_views
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Encoded, Look, Own, Pose, Prior, Solved, Solver, off_by
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
    ) -> None:
        self._settings, self._solver, self._budget = settings, solver, budget

    def __call__(
        self,
        attention: Attention,
        tracks: list[Track],
        cameras: list[Camera],
        suspected: tuple[str, ...],
        stamp_s: float,
        held: dict[int, np.ndarray],
    ) -> Looked:
        """`held`: betas that were given, by the number of the person, -1 for everybody else."""
        looked = Looked()
        looks: list[Look] = []
        groups, probes = self._plan_followed(attention, tracks, cameras, suspected, looks)
        newcomers = self._plan_new(attention, tracks, cameras, suspected, looks, looked)
        started = time.perf_counter()
        encoded = self._solver.encode(cameras, looks)
        in_between = time.perf_counter()
        self._solve_followed(encoded, groups, tracks, stamp_s, held, looked)
        self._probe(encoded, probes, looked)
        known = [track.predicted(stamp_s) for track in tracks if not track.lost]
        self._solve_new(encoded, newcomers, known, held.get(-1), looked)
        looked.encode_s, looked.loop_s = in_between - started, time.perf_counter() - in_between
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

    def _solve_followed(
        self,
        encoded: Encoded,
        groups: dict[int, list[int]],
        tracks: list[Track],
        stamp_s: float,
        held: dict[int, np.ndarray],
        looked: Looked,
    ) -> None:
        self._solve_some(encoded, groups, tracks, stamp_s, held, looked)
        self._note_residuals(encoded, list(looked.followed.values()), looked)
        for _ in range(SECOND_THOUGHTS):  # views that show somebody else are left out, and the rest solved again
            again = _without_borrowed(encoded, groups, tracks, stamp_s, looked)
            rest = [number for number in groups if number not in again]
            again |= _without_doubtful(encoded, rest, groups, tracks, stamp_s, looked)
            if not again:
                break
            looked.doubt = True
            groups.update(again)
            for number in [number for number, crops_ in again.items() if not crops_]:
                del groups[number], again[number], looked.followed[number]
            self._solve_some(encoded, again, tracks, stamp_s, held, looked)

    def _solve_some(
        self,
        encoded: Encoded,
        groups: dict[int, list[int]],
        tracks: list[Track],
        stamp_s: float,
        held: dict[int, np.ndarray],
        looked: Looked,
    ) -> None:
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
            priors = [
                Prior(
                    tracks[number].predicted(stamp_s) if numbers is warm else None,
                    held_shape(tracks[number], held),
                    tracks[number].shape if settings.smoothing > 0 else None,
                )
                for number in numbers
            ]
            solved = self._solver.together(encoded, [groups[number] for number in numbers], priors, count)
            looked.followed.update(zip(numbers, solved))

    def _note_residuals(self, encoded: Encoded, people: list[Solved], looked: Looked) -> None:
        # Of two views either may be the wrong one, and where there are others, they tell more.
        least = min(3, max((len(person.own) for person in people), default=0))
        for person in people:
            if len(person.own) >= max(least, 2):
                for one, residual in zip(person.own, person.fused.residual_px):
                    looked.residual_px.setdefault(encoded.cameras[one.look.camera].name, []).append(float(residual))

    def _probe(self, encoded: Encoded, probes: list[tuple[int, int]], looked: Looked) -> None:
        """Residuals of cameras that are left out, by their own estimates."""
        followed = looked.followed
        probes = [(number, crop) for number, crop in probes if number in followed and len(followed[number].own) > 1]
        crops_ = [crop for _, crop in probes]
        for (number, _), own in zip(probes, self._solver.alone(encoded, crops_, self._settings.iterations)):
            camera = encoded.cameras[own.look.camera]
            expected = camera.calibration.project_square(camera.to_camera(looked.followed[number].pose.joints))
            residual = float(np.sqrt(((expected - own.joints_px) ** 2).sum(-1).mean()))
            looked.residual_px.setdefault(camera.name, []).append(residual)

    def _solve_new(
        self,
        encoded: Encoded,
        newcomers: list[tuple[int, float]],
        known: list[Pose],
        held: np.ndarray | None,
        looked: Looked,
    ) -> None:
        if not newcomers:
            return
        cameras, looks = encoded.cameras, encoded.looks
        count = self._budget.iterations(self._settings.iterations)
        alone = self._solver.alone(encoded, [crop for crop, _ in newcomers], count)
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
        chosen = [[indices[i] for i in group] for group in groups]
        solved = self._solver.together(encoded, chosen, [Prior(held=held)] * len(groups), count)
        looked.newcomers = [Newcomer(*each) for each in zip(solved, confidences, seen_in)]
        looked.iterations = max(looked.iterations, count)


def held_shape(track: Track, held: dict[int, np.ndarray]) -> np.ndarray | None:
    """Betas (10,) that were given for this person or for everybody, or None."""
    return held.get(track.number, held.get(-1))


def _without_borrowed(
    encoded: Encoded, groups: dict[int, list[int]], tracks: list[Track], stamp_s: float, looked: Looked
) -> dict[int, list[int]]:
    borrowed = borrowed_views(
        looked.followed,
        {number: tracks[number].predicted(stamp_s) for number in looked.followed},
        {number: tracks[number].hits for number in looked.followed},
        encoded.cameras,
    )
    return {
        number: [crop for position, crop in enumerate(groups[number]) if position not in positions]
        for number, positions in borrowed.items()
    }


def _without_doubtful(
    encoded: Encoded,
    numbers: list[int],
    groups: dict[int, list[int]],
    tracks: list[Track],
    stamp_s: float,
    looked: Looked,
) -> dict[int, list[int]]:
    again = {}
    for number in numbers:
        person = looked.followed[number]
        doubtful = doubtful_view(person, tracks[number].predicted(stamp_s), encoded.cameras)
        if doubtful is not None and len(person.own) == len(groups[number]):
            again[number] = [crop for position, crop in enumerate(groups[number]) if position != doubtful]
    return again


def _is_one_of(own: Own, known: list[Pose], camera: Camera) -> bool:
    """Whether somebody who is followed stands in this camera where this estimate of a stranger does."""
    return any(camera.to_camera(pose.joints)[:, 2].min() > 0 and off_by(own, pose, camera) < EXPLAINED for pose in known)

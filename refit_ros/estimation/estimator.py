"""From a synchronized set of pictures to the people in it: the one entry to everything in this package."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.refit import Refit
from refit_ros.detection.protocol import cleaned
from refit_ros.detection.registry import make_detector
from refit_ros.detection.results import as_detector
from refit_ros.estimation.attention import Attention, attend, contradictions, expect, hear, is_hidden
from refit_ros.estimation.budget import Budget
from refit_ros.estimation.doubt import is_jump, wanders
from refit_ros.estimation.evidence import Evidence, evidence, misfit
from refit_ros.estimation.exclusive import Twins
from refit_ros.estimation.looking import Looked, Looking, Newcomer, held_shape
from refit_ros.estimation.mesh import person_vertices
from refit_ros.estimation.moved import MovedCameras
from refit_ros.estimation.publish import publish
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Solved, Solver
from refit_ros.estimation.track import Track, Tracks
from refit_ros.estimation.types import People

__all__ = ["Estimator", "person_vertices"]

INSISTS = 3  # sets in a row
CAUTION = 4  # times birth_hits that a newcomer must be seen whom a camera that should see him does not
CONFIDENCE_MEMORY = 0.3
CLOCK_SET_BACK_S = 1.0


class Estimator:
    """Finds, follows, matches and fuses people. One set of pictures at a time, in the order of their stamps."""

    def __init__(self, network: Refit, settings: Settings | None = None, detector: object | None = None) -> None:
        """detector: an own one instead of the settings', an object with `find(images)` (see detection/results.py).

        Raises ValueError or FileNotFoundError, with a sentence, where the detector cannot be had.
        """
        self.settings = settings or Settings()
        self._solver = Solver(network.eval(), self.settings.known_height_m)
        self._detector = make_detector(self.settings, self._solver.device) if detector is None else as_detector(detector)
        self._several = False  # more than one camera, or extrinsics, were ever seen
        self._held: dict[int, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets everybody, and shapes held for single people; a shape held for everybody stays."""
        self._tracks = Tracks(self.settings)
        self._moved = MovedCameras(self.settings)
        self._twins = Twins()
        self._budget = Budget(self.settings.latency_budget_ms)
        self._looking = Looking(self.settings, self._solver, self._budget)
        self._held = {number: betas for number, betas in self._held.items() if number == -1}
        self._sets = 0
        self._in_doubt = False
        self._stamp_s = -np.inf

    def set_shape(self, person_id: int, betas: np.ndarray | None) -> None:
        """Holds a person's betas (10,) fixed from the next set on, or releases them (None); -1: everybody.

        Raises ValueError for a number nobody has and for betas that are not ten finite numbers.
        """
        known = [track.number for track in self._tracks.alive if track.number is not None]
        if person_id != -1 and person_id not in known:
            raise ValueError(
                f"nobody with number {person_id} is followed; there are: {', '.join(map(str, known)) or 'none'}"
            )
        if betas is None:
            for number in list(self._held) if person_id == -1 else [person_id]:
                self._held.pop(number, None)
            return
        betas = np.array(betas, np.float64).reshape(-1)
        if betas.shape != (10,) or not np.isfinite(betas).all():
            raise ValueError("betas must be ten finite numbers")
        if person_id == -1:
            self._held.clear()
        self._held[person_id] = betas

    @property
    def evidence(self) -> dict[int, Evidence]:
        """By number: what the last look at each followed person gave. Only people who were seen in the last set."""
        return {track.number: track.evidence for track in self._tracks.alive if track.number is not None and track.fresh}

    def estimate(self, views: Sequence[View]) -> People:
        """Everybody in one synchronized set, in the fixed frame; nobody in it when nobody is seen.

        Views that cannot be used are named in `left_out` with the reason. Bad pictures and boxes never raise.
        """
        started = time.perf_counter()
        self._several |= len(views) > 1 or any(view.fixed_from_camera is not None for view in views)
        cameras, left_out = usable(views, self._several)
        if not cameras:
            newest = max((view.stamp_s for view in views if np.isfinite(view.stamp_s)), default=0.0)
            return People(newest, (), (), left_out, moved_cameras=self._moved.reported)
        stamp_s = self._advance(max(camera.stamp_s for camera in cameras))
        tracks = list(self._tracks.alive)
        attention = attend(tracks, cameras, self._solver, stamp_s, self.settings.detector == "full_image")
        found, dropped, calls = self._detect(cameras)
        self._hear(attention, found, cameras, tracks, stamp_s)
        detected = time.perf_counter()
        try:
            looked = self._looking(attention, tracks, cameras, self._moved.suspected, stamp_s, self._held)
        except FloatingPointError as error:  # weights that do not fit: nothing of it may leave
            looked, left_out = Looked(), {**left_out, **{camera.name: str(error) for camera in cameras}}
        people = self._conclude(looked, attention, found, cameras, tracks, stamp_s)
        finished = time.perf_counter()
        self._budget.spent(finished - started, looked.loop_s, looked.iterations)
        timings = {
            "detect": detected - started,
            "encode": looked.encode_s,
            "loop": looked.loop_s,
            "total": finished - started,
        }
        return People(
            stamp_s,
            people,
            tuple(camera.name for camera in cameras),
            left_out,
            looked.iterations,
            calls,
            self._moved.reported,
            dropped + looked.dropped,
            timings,
        )

    def _advance(self, stamp_s: float) -> float:
        if stamp_s < self._stamp_s - CLOCK_SET_BACK_S:  # a bag played again
            self.reset()
        self._stamp_s = max(stamp_s, self._stamp_s)
        return self._stamp_s

    def _detect(self, cameras: list[Camera]) -> tuple[dict[int, Boxes], int, int]:
        """Cleaned boxes of each camera that was asked, boxes dropped, and calls of the detector."""
        settings = self.settings
        due = (
            settings.detector == "full_image"
            or self._tracks.somebody_is_missing
            or self._in_doubt
            or self._sets % settings.detector_interval == 0
        )
        self._sets += 1
        # Boxes that come with a view are taken in place of the detector's.
        found = {index: camera.boxes for index, camera in enumerate(cameras) if camera.boxes is not None}
        asked = [index for index in range(len(cameras)) if index not in found] if self._detector is not None and due else []
        if asked:
            found.update(zip(asked, self._detector.find([cameras[index].image for index in asked])))
        calls = len(asked)
        dropped = 0
        for index, boxes in found.items():
            calibration = cameras[index].calibration
            found[index], gone = cleaned(
                boxes, calibration.width_px, calibration.height_px, settings.detector_confidence, settings.max_people
            )
            dropped += gone
        return found, dropped, calls

    def _hear(
        self, attention: Attention, found: dict[int, Boxes], cameras: list[Camera], tracks: list[Track], stamp_s: float
    ) -> None:
        hear(attention, found, cameras, tracks)
        for number, track in enumerate(tracks):
            expected = attention.expected[number]
            if len(attention.confirmed[number]) > 1:
                track.caution = 1
            if attention.confirmed[number]:
                track.confidence += CONFIDENCE_MEMORY * (attention.confidence[number] - track.confidence)
                self._tracks.hit(track, stamp_s)
            elif not expected or any(index in found and index not in attention.hidden[number] for index in expected):
                track.lost = True

    def _conclude(
        self,
        looked: Looked,
        attention: Attention,
        found: dict[int, Boxes],
        cameras: list[Camera],
        tracks: list[Track],
        stamp_s: float,
    ):
        """Tracks brought up to date with what was seen; the people to publish."""
        solved = {}
        poses = {number: person.pose for number, person in looked.followed.items()}
        impostors = self._tracks.impostors(poses, tracks, stamp_s)
        for number, track in enumerate(tracks):
            track.fresh = number in looked.followed and number not in impostors
            if track.fresh:
                step_s = stamp_s - track.stamp_s
                expected, new = track.predicted(stamp_s), track.number is None
                track.note_steps(wanders(looked.followed[number], expected, step_s, new, cameras))
            if track.fresh and self._has_jumped(track, looked.followed[number], cameras, stamp_s):
                track.fresh, track.jumps, looked.doubt = False, track.jumps + 1, True
            if track.fresh:
                person = solved[id(track)] = looked.followed[number]
                track.take(person.pose, stamp_s)
                if held_shape(track, self._held) is None:  # betas are shared by the views
                    track.shape = track.shape.learned(person.own[0].betas, weight=float(len(person.own)))
                track.jumps = 0
                track.seen_s, track.misfit, track.evidence = stamp_s, misfit(person), evidence(person, cameras)
        twins = self._twins.found({track: solved[id(track)] for track in tracks if track.fresh}, cameras)
        self._tracks.merge(twins)
        self._in_doubt = looked.doubt or bool(impostors) or bool(twins)
        residual_px = {camera: float(np.median(values)) for camera, values in looked.residual_px.items()}
        against = [self._speaking_against(new, attention, found, cameras) for new in looked.newcomers]
        believed = [
            (new, CAUTION if votes else 1)
            for new, votes in zip(looked.newcomers, against)
            if len(cameras) < 3 or votes < max(len(new.seen_in) + (len(new.seen_in) > 1), 1)
        ]
        newcomers = [new for new, _ in believed]
        adopted = self._tracks.adopt(
            [new.solved.pose for new in newcomers],
            [new.confidence for new in newcomers],
            [len(new.solved.own) == 1 for new in newcomers],
            stamp_s,
            [caution for _, caution in believed],
        )
        for track, new in zip(adopted, newcomers):
            solved[id(track)], track.misfit, track.evidence = new.solved, misfit(new.solved), evidence(new.solved, cameras)
        # Where a camera's boxes are no longer where its people should be, how far off they are is as good as a residual.
        for index, astray in contradictions(attention, len(cameras)).items():
            residual_px.setdefault(cameras[index].name, astray)
        self._moved.judge(residual_px, stamp_s)
        self._tracks.drop_wanderers()
        self._tracks.bury(stamp_s)
        self._tracks.number_the_sure()
        numbered = sorted(
            (track for track in self._tracks.alive if track.number is not None), key=lambda track: track.number
        )
        steady = [self._tracks.steady(track, stamp_s) for track in numbered]
        return publish(numbered, solved, steady, [track.evidence for track in numbered], self._solver, cameras, stamp_s)

    @staticmethod
    def _has_jumped(track: Track, person: Solved, cameras: list[Camera], stamp_s: float) -> bool:
        """A place nobody could have got to is not believed at once; one who insists on it is."""
        step_s = stamp_s - track.stamp_s
        return track.hits > 3 and track.jumps < INSISTS and is_jump(person, track.predicted(stamp_s), step_s, cameras)

    def _speaking_against(self, new: Newcomer, attention: Attention, found: dict[int, Boxes], cameras: list[Camera]) -> int:
        """How many cameras that should see a newcomer do not.

        Of three cameras and more, most of those that should see him must, or he is not believed at all.
        """
        outline = self._solver.outlines([new.solved.pose])[0]
        against = 0
        for index in found:
            if cameras[index].name in self._moved.suspected:
                continue
            where = expect(outline, cameras[index]) if index not in new.seen_in else None
            if where is not None and not is_hidden(where, index, attention.expected):
                against += 1
        return against

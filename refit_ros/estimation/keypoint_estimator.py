"""From one camera's images, or several calibrated ones', to people through landmarks; what `Estimator` is for features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import overlap
from refit_ros.camera.history import CLOCK_SET_BACK_S
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.core.small_matrices import on_one_thread
from refit_ros.detection.landmarks import Landmarks, no_landmarks
from refit_ros.detection.protocol import cleaned
from refit_ros.estimation.closer_look import CloserLook
from refit_ros.estimation.eyes import NO_ANSWER, Eyes, LandmarkEyes, LandmarkSource
from refit_ros.estimation.held_shapes import held_shape, hold, of_everybody
from refit_ros.estimation.keypoint_association import assigned, taken_for_two
from refit_ros.estimation.keypoint_expected import Expected, regions
from refit_ros.estimation.keypoint_moved import astray, without_suspected
from refit_ros.estimation.keypoint_newcomers import grouped
from refit_ros.estimation.keypoint_people import person, pose_of, seen_plainly
from refit_ros.estimation.keypoint_tracks import Followed, Gone, Seen, Whereabouts, whereabouts
from refit_ros.estimation.keypoints import KeypointBody, KeypointSolver
from refit_ros.estimation.rig_doubt import RigDoubt, meet
from refit_ros.estimation.search import Searcher, detectors
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.smooth import Smoother
from refit_ros.estimation.stamps import StampGrid
from refit_ros.estimation.types import People, Person
from refit_ros.estimation.view_evidence import Expectation, Search
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.moved_cameras import MovedCameras, as_of_vga
from refit_ros.tracking.root_state import RootState

CAUTION = 4  # times birth_hits that somebody must be seen of whom a second camera should see something and does not
SAME_BOX = 0.5


class KeypointEstimator:
    """As `Estimator`: one set of images at a time, in the order of their stamps."""

    def __init__(
        self,
        network: KeypointRefit,
        landmarks: LandmarkSource | None,
        settings: Settings,
        detector: object | None = None,
        eyes: Eyes | None = None,
        closer: CloserLook | None = None,
    ) -> None:
        """detector: an own one instead of the settings'. Raises what `detectors` raises where it cannot be had.

        eyes: where images are looked at, if not here; then neither landmarks nor a detector are needed.
        closer: looks at what the images themselves show of everybody who is seen; they must be here, and its network's
        body is that of `network`.
        """
        self._solver, self.settings = KeypointSolver(network, settings.known_height_m, closer), settings
        self.features = None if closer is None else closer.network  # what looks at images beside the landmarks
        if eyes is None:
            if landmarks is None:
                raise ValueError("without eyes, landmarks are needed: give a source of them")
            eyes = LandmarkEyes(landmarks, detectors(settings, self._solver.device, detector))
        self._eyes = eyes
        self.begin_anew()

    def begin_anew(self) -> None:
        """As it was made: for another recording."""
        self._searcher = Searcher(self._eyes, self.settings)
        self._several = False
        self._held: dict[int, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets everybody, and shapes held for single people; a shape held for everybody stays."""
        self._held = of_everybody(self._held)
        self._followed: list[Followed] = []
        self._gone = Gone(self.settings.reentry_s)
        self._moved = MovedCameras(self.settings.moved_camera_px, self.settings.moved_camera_s, DEFAULT)
        self._rig = RigDoubt(self.settings.moved_camera_s)
        self._smoother = Smoother(self.settings.smoothing)
        self._last_number, self._born, self._sets, self._stamp_s = 0, 0, 0, -np.inf
        self._stamps, self._cameras = StampGrid(), list[Camera]()
        self._ahead: Whereabouts | None = None

    def set_shape(self, person_id: int, betas: np.ndarray | None) -> None:
        """As `Estimator.set_shape`."""
        hold(self._held, person_id, betas, [someone.number for someone in self._followed if someone.number is not None])

    @on_one_thread()
    def estimate(self, views: Sequence[View]) -> People:
        """Everybody in one synchronized set, in the fixed frame. Views that cannot be used are named in `left_out`."""
        self._several |= len(views) > 1 or any(view.fixed_from_camera is not None for view in views)
        cameras, left_out = usable(views, self._several)
        if not cameras:
            newest_s = max((view.stamp_s for view in views if np.isfinite(view.stamp_s)), default=0.0)
            return People(newest_s, (), (), left_out)
        taken_s = max(camera.stamp_s for camera in cameras)
        if taken_s < self._stamp_s - CLOCK_SET_BACK_S:
            self.reset()
        self._stamp_s, self._cameras = max(taken_s, self._stamp_s), cameras
        _, stamp_s = self._stamps.taken(self._stamp_s)
        self._gone.add([one for one in self._followed if not self._is_known(one, stamp_s)], stamp_s)
        self._followed = [one for one in self._followed if self._is_known(one, stamp_s)]
        rows, ahead, self._ahead = CameraRows.of(cameras), self._ahead, None
        if ahead is None or not ahead.holds(rows, stamp_s):
            ahead = whereabouts(self._followed, rows, stamp_s, DEFAULT)
        roots, expected = ahead.roots, ahead.expected
        wanted, calls, dropped = self._wanted(cameras, expected)
        self._sets += 1
        seen = self._eyes.look(cameras, wanted)
        left_out |= {cameras[index].name: NO_ANSWER for index in wanted if index not in seen}
        landmarks = {index: one.landmarks for index, one in seen.items() if one.landmarks is not None}
        answered = [index for index in range(len(cameras)) if index in seen or index not in wanted]
        found = [landmarks[index] if index in landmarks else no_landmarks() for index in answered]
        try:
            people = self._conclude(rows[answered], found, [expected[index] for index in answered], roots, stamp_s)
        except FloatingPointError as error:  # weights that do not fit: nothing of it may leave
            people, left_out = (), left_out | {camera.name: str(error) for camera in cameras}
        return People(
            self._stamp_s,
            people,
            tuple(cameras[index].name for index in answered),
            left_out,
            iterations=self.settings.iterations,
            detector_calls=calls,
            moved_cameras=self._moved.reported,
            doubt=self._rig.sentence,
            boxes_dropped=dropped,
        )

    def look_ahead(self) -> None:
        """As `Estimator.look_ahead`; where people are looked for too, it is what will be asked if nobody new is found."""
        stamp_s = self._stamps.next_s
        if stamp_s is None or not self._stamps.is_steady or not self._followed:
            return
        known = [one for one in self._followed if self._is_known(one, stamp_s)]
        self._ahead = whereabouts(known, CameraRows.of(self._cameras), stamp_s, DEFAULT)
        own = [[one for one in where if one is not None] for where in self._ahead.expected]
        wanted = {
            index: regions(known)
            for index, (camera, known) in enumerate(zip(self._cameras, own))
            if known and camera.boxes is None and camera.keypoints is None
        }
        if wanted:
            self._eyes.expect(self._cameras, wanted, stamp_s - self._stamp_s)

    def _is_known(self, someone: Followed, stamp_s: float) -> bool:
        return stamp_s - someone.seen_s <= self.settings.death_s

    def _wanted(
        self, cameras: list[Camera], expected: list[list[Expected | None]]
    ) -> tuple[dict[int, Expectation], int, int]:
        """Of each camera where to look for landmarks; calls of the detector, boxes dropped."""
        own = [[one for one in where if one is not None] for where in expected]
        given = {index: boxes for index, camera in enumerate(cameras) if (boxes := _boxes_given(camera)) is not None}
        interval = self.settings.detector_interval
        # Cameras take turns: a set in which all search at once is late.
        turns = [(self._sets + index * interval // len(cameras)) % interval == 0 for index in range(len(cameras))]
        due = [index for index, known in enumerate(own) if index not in given and (turns[index] or not known)]
        extents = {index: np.array([one.extent for one in own[index]]).reshape(-1, 4) for index in range(len(cameras))}
        given |= self._searcher.find(cameras, due, extents)
        new, dropped = dict[int, np.ndarray](), 0
        for index, boxes in given.items():
            size = cameras[index].calibration.width_px, cameras[index].calibration.height_px
            boxes, bad = cleaned(boxes, *size, self.settings.detector_confidence, self.settings.max_people)
            dropped += bad
            near = overlap(boxes.xyxy_px, extents[index])
            new[index] = boxes.xyxy_px[~(near > SAME_BOX).any(1)]
        calls = len(due) if self._eyes.searches(Search.DETECTOR) else 0
        asked = {}
        for index, known in enumerate(own):
            others = new.get(index, np.zeros((0, 4)))
            if len(known) or len(others):
                asked[index] = regions(known, others)
        return asked, calls, dropped

    def _conclude(
        self,
        cameras: CameraRows,
        found: list[Landmarks],
        expected: list[list[Expected | None]],
        roots: list[RootState],
        stamp_s: float,
    ) -> tuple:
        """Assigns, fits and publishes. roots: where everybody should be."""
        people = list(self._followed)
        shown, strange = assigned(people, roots, cameras, found, expected, DEFAULT)
        groups, left = without_suspected(people, shown, strange, self._moved.suspected if len(cameras) > 1 else ())
        newcomers = self._rejoined(groups, self._newcomers(cameras.cameras, left), expected, roots)
        groups = {index: sorted(own, key=lambda one: one.view) for index, own in groups.items()}
        known = [self._followed[index] for index in groups]
        new = newcomers if self.features is not None else []
        bodies = self._fit([*groups.values(), *(own for _, own in new)], known, closely=True)
        newcomers = [(body, own) for body, (_, own) in zip(bodies[len(known) :], new)] or newcomers
        seen_now = list(zip(known, groups.values()))
        for index, body in zip(groups, bodies):
            self._followed[index].seen(body, groups[index], roots[index])
        for body, own in newcomers:
            self._born += 1
            self._followed.append(Followed(self._born, body, [one.camera for one in own], stamp_s))
            seen_now.append((self._followed[-1], own))
        if len(cameras) > 1:
            astray_px = astray(people, shown, strange, cameras.cameras, expected, DEFAULT)
            self._moved.judge(as_of_vga(astray_px, cameras.cameras), stamp_s)
            everybody = [one for own in shown.values() for one in own] + strange
            met = any(meet(one.body, own) for one, own in seen_now)
            self._rig.judge(everybody, met, cameras.cameras, partial(self._fit, tentative=True), stamp_s, DEFAULT)
        double, seen_keys = taken_for_two(seen_now), {one.key for one, _ in seen_now}
        for one in self._followed:
            if one.number is None and one.key not in seen_keys:
                one.hits -= 1  # whoever is seen now and then only is nobody
        self._followed = [one for one in self._followed if one.key not in double and one.hits > 0]
        seen_now = [each for each in seen_now if each[0].key not in double]
        return self._published([each for each in seen_now if self._is_sure(*each, cameras)], stamp_s)

    def _newcomers(self, cameras: Sequence[Camera], left: list[Seen]) -> list[tuple[KeypointBody, list[Seen]]]:
        """Those whom nobody's expectation explains, grouped by person."""
        alone = self._fit([[one] for one in left], tentative=len(cameras) > 1)
        if len(cameras) == 1 or not left:
            return [(body, [one]) for body, one in zip(alone, left)]
        return grouped(alone, left, cameras, self._fit, DEFAULT)

    def _rejoined(
        self,
        groups: dict[int, list[Seen]],
        newcomers: list[tuple[KeypointBody, list[Seen]]],
        expected: list[list[Expected | None]],
        roots: list[RootState],
    ) -> list[tuple[KeypointBody, list[Seen]]]:
        """Those who are new indeed. Whoever is where somebody followed is, in cameras that have not shown that one yet, is
        that one: what was expected of their pose, or of their distance from a single camera, was wrong."""
        new = []
        for body, own in newcomers:
            views = {one.view for one in own}
            free = [i for i in range(len(self._followed)) if not views & {one.view for one in groups.get(i, ())}]
            off = {i: self._followed[i].apart2(body, [one.camera for one in own], roots[i], DEFAULT) for i in free}
            nearest = min(off, key=off.__getitem__, default=None)
            if nearest is None or off[nearest] > DEFAULT.gate_sigma**2:
                new.append((body, own))
            elif nearest in groups:
                groups[nearest] += [one.beside(expected[one.view][nearest]) for one in own]
            else:
                groups[nearest] = list(own)
        return new

    def _fit(
        self, members: list[list[Seen]], known: Sequence[Followed] = (), tentative: bool = False, closely: bool = False
    ) -> list[KeypointBody]:
        """known: the first of them, who are followed. The others as in `KeypointSolver.fit`."""
        if not members:
            return []
        numbers = [one.number for one in known] + [None] * (len(members) - len(known))
        given = [held_shape(number, self._held) for number in numbers]
        held = [np.full(10, np.nan) if betas is None else betas for betas in given]
        bodies = self._solver.fit(
            [[one.sighting for one in own] for own in members],
            betas=np.stack(held) if self._held else None,
            iterations=self.settings.iterations,
            shapes=[one.shape for one in known] if self.settings.smoothing > 0 else (),
            tentative=tentative,
            closely=closely,
        )
        return [replace(body, own_betas=None) if np.isfinite(betas).all() else body for body, betas in zip(bodies, held)]

    def _is_sure(self, someone: Followed, own: list[Seen], cameras: CameraRows) -> bool:
        """Nobody has a number before they were seen often enough, and no picture has one."""
        room = sum(one.number is not None for one in self._followed) < self.settings.max_people
        if someone.number is None and room and someone.sights >= self._patience(someone.body, own, cameras):
            back = self._gone.back(someone, DEFAULT)
            if back is None:
                self._last_number += 1
                someone.number = self._last_number
            else:
                someone.number, someone.shape = back.number, back.shape
                if someone.number in self._held:
                    (someone.body,) = self._fit([own], [someone], closely=True)
        return someone.number is not None

    def _published(self, shown: list[tuple[Followed, list[Seen]]], stamp_s: float) -> tuple[Person, ...]:
        """Steadied over time, by their numbers."""
        if not shown:
            return ()
        shown = sorted(shown, key=lambda each: each[0].number or 0)[: self.settings.max_people]
        raw = {someone.number or 0: pose_of(someone.body) for someone, _ in shown}
        poses = list(self._smoother(raw, stamp_s).values())
        if self.settings.smoothing > 0:
            betas, rotmats = (np.stack([getattr(pose, name) for pose in poses]) for name in ("betas", "rotmats"))
            joints = self._solver.joints(betas, rotmats)
            poses = [replace(pose, joints=own + pose.transl) for pose, own in zip(poses, joints)]
        return tuple(
            person(
                someone.number or 0,
                someone.body,
                [one.found for one in own],
                [one.camera for one in own],
                pose,
                someone.root.velocity_m_s.copy(),
            )
            for (someone, own), pose in zip(shown, poses)
        )

    def _patience(self, body: KeypointBody, own: list[Seen], cameras: CameraRows) -> int:
        """Images in which somebody must be seen. One view's idea of the distance is not enough where others look there; one
        camera alone needs one image fewer if it sees them plainly."""
        if len(cameras) == 1:
            return max(1, self.settings.birth_hits - seen_plainly(own[0].found))
        looking = cameras.sees(cameras.to_camera(body.joints[:1])).sum()
        return self.settings.birth_hits * (CAUTION if len(own) == 1 and looking > 1 else 1)


def _boxes_given(camera: Camera) -> Boxes | None:
    """From outside, by themselves or around keypoints."""
    return camera.boxes if camera.keypoints is None else camera.keypoints.boxes

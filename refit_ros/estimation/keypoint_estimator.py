"""From one camera's images, or several calibrated ones', to people through landmarks; what `Estimator` is for features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refit_ros.camera.geometry import overlap
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.landmarks import Landmarks, no_landmarks
from refit_ros.detection.protocol import cleaned
from refit_ros.estimation.eyes import NO_ANSWER, Eyes, LandmarkEyes, LandmarkSource
from refit_ros.estimation.keypoint_people import person
from refit_ros.estimation.keypoint_tracks import Followed, assign, expected_box, expected_px
from refit_ros.estimation.keypoints import KeypointBody, KeypointSolver, Sighting
from refit_ros.estimation.search import Searcher, detectors
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import People
from refit_ros.estimation.view_evidence import Expectation, Search
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.match import Candidate, match

SAME_PLACE_M = 0.4  # newcomers whose pelvis is nearer to somebody whom none of their cameras tells apart are that person
CAUTION = 4  # times birth_hits that somebody must be seen of whom a second camera should see something and does not
CLOCK_SET_BACK_S = 1.0
SAME_BOX = 0.5
EVERYBODY = -1  # as a person's number


class KeypointEstimator:
    """As `Estimator`: one set of images at a time, in the order of their stamps. People are followed, not smoothed."""

    def __init__(
        self,
        network: KeypointRefit,
        landmarks: LandmarkSource | None,
        settings: Settings,
        detector: object | None = None,
        eyes: Eyes | None = None,
    ) -> None:
        """detector: an own one instead of the settings'. Raises what `detectors` raises where it cannot be had.

        eyes: where images are looked at, if not here; then neither landmarks nor a detector are needed.
        """
        self._solver, self.settings = KeypointSolver(network), settings
        if eyes is None:
            if landmarks is None:
                raise ValueError("without eyes, landmarks are needed: give a source of them")
            eyes = LandmarkEyes(landmarks, detectors(settings, own=detector))
        self._eyes = eyes
        self._searcher = Searcher(self._eyes, settings)
        self._several = False
        self._held: dict[int, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets everybody, and shapes held for single people; a shape held for everybody stays."""
        self._held = {number: betas for number, betas in self._held.items() if number == EVERYBODY}
        self._followed: list[Followed] = []
        self._last_number, self._sets, self._stamp_s = 0, 0, -np.inf

    def set_shape(self, person_id: int, betas: np.ndarray | None) -> None:
        """As `Estimator.set_shape`."""
        known = [someone.number for someone in self._followed if someone.number is not None]
        if person_id != EVERYBODY and person_id not in known:
            raise ValueError(
                f"nobody with number {person_id} is followed; there are: {', '.join(map(str, known)) or 'none'}"
            )
        if person_id == EVERYBODY:
            self._held.clear()
        self._held.pop(person_id, None)
        if betas is None:
            return
        betas = np.array(betas, np.float64).reshape(-1)
        if betas.shape != (10,) or not np.isfinite(betas).all():
            raise ValueError("betas must be ten finite numbers")
        self._held[person_id] = betas

    def estimate(self, views: Sequence[View]) -> People:
        """Everybody in one synchronized set, in the fixed frame. Views that cannot be used are named in `left_out`."""
        self._several |= len(views) > 1 or any(view.fixed_from_camera is not None for view in views)
        cameras, left_out = usable(views, self._several)
        if not cameras:
            return People(max((view.stamp_s for view in views), default=0.0), (), (), left_out)
        stamp_s = max(camera.stamp_s for camera in cameras)
        if stamp_s < self._stamp_s - CLOCK_SET_BACK_S:
            self.reset()
        self._stamp_s = stamp_s = max(stamp_s, self._stamp_s)
        self._followed = [one for one in self._followed if stamp_s - one.seen_s <= self.settings.death_s]
        expected = [[expected_px(one, camera, stamp_s) for one in self._followed] for camera in cameras]
        boxes, calls, dropped = self._boxes(cameras, expected)
        self._sets += 1
        wanted = {index: Expectation(regions_px=own) for index, own in enumerate(boxes) if len(own)}
        seen = self._eyes.look(cameras, wanted)
        left_out |= {cameras[index].name: NO_ANSWER for index in wanted if index not in seen}
        landmarks = {index: one.landmarks for index, one in seen.items() if one.landmarks is not None}
        answered = [index for index in range(len(cameras)) if index in seen or index not in wanted]
        people = self._conclude(
            [cameras[index] for index in answered],
            [landmarks[index] if index in landmarks else no_landmarks() for index in answered],
            [expected[index] for index in answered],
            stamp_s,
        )
        return People(
            stamp_s,
            people,
            tuple(cameras[index].name for index in answered),
            left_out,
            iterations=self.settings.iterations,
            detector_calls=calls,
            boxes_dropped=dropped,
        )

    def _boxes(self, cameras: list[Camera], expected: list[list[np.ndarray | None]]) -> tuple[list[np.ndarray], int, int]:
        """Of each camera (N, 4) px where to look for landmarks; calls of the detector, boxes dropped."""
        own = [[expected_box(px) for px in where if px is not None] for where in expected]
        given = {index: camera.boxes for index, camera in enumerate(cameras) if camera.boxes is not None}
        turn = self._sets % self.settings.detector_interval == 0
        due = [index for index, boxes in enumerate(own) if index not in given and (turn or not boxes)]
        given |= self._searcher.find(cameras, due)
        dropped = 0
        for index, boxes in given.items():
            size = cameras[index].calibration.width_px, cameras[index].calibration.height_px
            boxes, bad = cleaned(boxes, *size, self.settings.detector_confidence, self.settings.max_people)
            dropped += bad
            near = overlap(boxes.xyxy_px, np.array(own[index]).reshape(-1, 4))
            own[index] += [box for box, shares in zip(boxes.xyxy_px, near) if not (shares > SAME_BOX).any()]
        calls = len(due) if self._eyes.searches(Search.DETECTOR) else 0
        return [np.array(each, float).reshape(-1, 4) for each in own], calls, dropped

    def _conclude(
        self, cameras: list[Camera], found: list[Landmarks], expected: list[list[np.ndarray | None]], stamp_s: float
    ) -> tuple:
        """Assigns, fits and publishes."""
        groups: dict[int, list[tuple[int, int]]] = {}
        left: list[tuple[int, int]] = []  # camera and index of landmarks that are of nobody who is followed
        for view, (seen, where) in enumerate(zip(found, expected)):
            whose = assign(seen, where)
            for index in range(len(seen)):
                if index in whose:
                    groups.setdefault(whose[index], []).append((view, index))
                else:
                    left.append((view, index))
        members = [*groups.values(), *self._newcomers(cameras, found, left)]
        known = list(groups)
        bodies = self._fit(cameras, found, members, [self._followed[index].number for index in known])
        published = []
        # With the cameras that see newcomers.
        taken: list[tuple[Followed, set[int]]] = [(someone, set()) for someone in self._followed]
        for order, (body, own) in enumerate(zip(bodies, members)):
            if order < len(known):
                someone = self._followed[known[order]]
                someone.seen(body.joints, stamp_s)
            else:
                views = {view for view, _ in own}
                if any(
                    np.linalg.norm(body.joints[0] - other.joints[0]) < SAME_PLACE_M and not views & seen_by
                    for other, seen_by in taken
                ):
                    continue
                someone = Followed(body.joints, stamp_s)
                self._followed.append(someone)
                taken.append((someone, views))
            if someone.number is None and someone.hits >= self._patience(body, own, cameras):
                self._last_number += 1
                someone.number = self._last_number
            if someone.number is not None:
                seen_by = [found[view][[index]] for view, index in own]
                published.append(person(someone.number, body, seen_by, [cameras[view] for view, _ in own]))
        return tuple(sorted(published, key=lambda one: one.id)[: self.settings.max_people])

    def _newcomers(
        self, cameras: list[Camera], found: list[Landmarks], left: list[tuple[int, int]]
    ) -> list[list[tuple[int, int]]]:
        """Sightings that nobody's are, grouped by person."""
        if len(cameras) == 1 or not left:
            return [[one] for one in left]
        alone = self._fit(cameras, found, [[one] for one in left])
        candidates = [Candidate(view, cameras[view].to_camera(body.joints)) for (view, _), body in zip(left, alone)]
        return [[left[index] for index in group] for group in match(candidates, cameras, DEFAULT)]

    def _fit(
        self,
        cameras: list[Camera],
        found: list[Landmarks],
        members: list[list[tuple[int, int]]],
        numbers: Sequence[int | None] = (),
    ) -> list[KeypointBody]:
        """numbers: of the first of them, who are followed."""
        free = self._held.get(EVERYBODY, np.full(10, np.nan))
        shapes = [free if number is None else self._held.get(number, free) for number in numbers]
        shapes += [free] * (len(members) - len(numbers))
        return self._solver.fit(
            [
                [
                    Sighting(cameras[v], found[v].place_px[i], found[v].visibility[i], "blazepose", found[v].place_m[i])
                    for v, i in own
                ]
                for own in members
            ],
            betas=np.stack(shapes) if self._held and shapes else None,
            iterations=self.settings.iterations,
        )

    def _patience(self, body: KeypointBody, own: list[tuple[int, int]], cameras: list[Camera]) -> int:
        """Sets in which somebody must be seen. One view's idea of the distance is not enough where others look there."""
        looking = sum(bool(camera.calibration.sees(camera.to_camera(body.joints[:1]))[0]) for camera in cameras)
        doubtful = len(own) == 1 and looking > 1
        return self.settings.birth_hits * (CAUTION if doubtful else 1)

"""From one camera's images, or several calibrated ones', to people through landmarks; what `Estimator` is for features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from refit_ros.camera.geometry import overlap
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.landmarks import Landmarks
from refit_ros.detection.protocol import Detector, cleaned
from refit_ros.detection.registry import make_detector
from refit_ros.detection.results import as_detector
from refit_ros.estimation.keypoint_people import different_people, person
from refit_ros.estimation.keypoint_tracks import Followed, assign, expected_box, expected_px
from refit_ros.estimation.keypoints import KeypointBody, KeypointSolver, Sighting
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import People
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.match import Candidate, match

SAME_PLACE_M = 0.4  # newcomers whose pelvis is nearer to somebody whom none of their cameras tells apart are that person
CAUTION = 4  # times birth_hits that somebody must be seen of whom a second camera should see something and does not
CLOCK_SET_BACK_S = 1.0
SAME_BOX = 0.5
EVERYBODY = -1  # as a person's number


class LandmarkSource(Protocol):
    """Finds 33 landmarks of the people in boxes (N, 4) px of an image; see `detection.landmarks.LandmarkNetwork`."""

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks: ...


class KeypointEstimator:
    """As `Estimator`: one set of images at a time, in the order of their stamps. People are followed, not smoothed."""

    def __init__(
        self, network: KeypointRefit, landmarks: LandmarkSource, settings: Settings, detector: object | None = None
    ) -> None:
        """detector: an own one instead of the settings'. Raises what `make_detector` raises where it cannot be had."""
        self._solver, self._landmarks, self.settings = KeypointSolver(network), landmarks, settings
        self._detector: Detector | None = make_detector(settings) if detector is None else as_detector(detector)
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
        calls, dropped, found, expected = 0, 0, [], []
        for camera in cameras:
            where = [expected_px(one, camera, stamp_s) for one in self._followed]
            boxes, called, bad = self._boxes(camera, where)
            calls, dropped = calls + called, dropped + bad
            seen = self._landmarks.in_boxes(camera.image, boxes)
            found.append(seen[different_people(seen)])
            expected.append(where)
        self._sets += 1
        people = self._conclude(cameras, found, expected, stamp_s)
        return People(
            stamp_s,
            people,
            tuple(camera.name for camera in cameras),
            left_out,
            iterations=self.settings.iterations,
            detector_calls=calls,
            boxes_dropped=dropped,
        )

    def _boxes(self, camera: Camera, expected: list[np.ndarray | None]) -> tuple[np.ndarray, int, int]:
        """(N, 4) px where to look for landmarks, calls of the detector, boxes dropped."""
        own = [expected_box(px) for px in expected if px is not None]
        given, calls = camera.boxes, 0
        if given is None and self._detector is not None and (not own or self._sets % self.settings.detector_interval == 0):
            given, calls = self._detector.find([camera.image])[0], 1
        dropped = 0
        if given is not None:
            size = camera.calibration.width_px, camera.calibration.height_px
            boxes, dropped = cleaned(given, *size, self.settings.detector_confidence, self.settings.max_people)
            near = overlap(boxes.xyxy_px, np.array(own).reshape(-1, 4))
            own += [box for box, shares in zip(boxes.xyxy_px, near) if not (shares > SAME_BOX).any()]
        return np.array(own, float).reshape(-1, 4), calls, dropped

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
        taken = [(someone, set()) for someone in self._followed]  # with the cameras that see newcomers
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
        shapes = [self._held.get(number, free) for number in [*numbers, *[None] * (len(members) - len(numbers))]]
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

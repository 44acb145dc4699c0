"""One image that stands alone -> people, through a landmark network and the keypoint network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from refit_ros.camera.geometry import along_the_tree, around, axis_angle_from_matrix, clipped, overlap
from refit_ros.camera.views import Camera, View, usable
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.detection.landmarks import PERSON, Landmarks
from refit_ros.detection.protocol import Detector, cleaned
from refit_ros.detection.registry import make_detector
from refit_ros.estimation.keypoints import KeypointBody, KeypointSolver, Sighting
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.types import People, Person, PersonView

SAME_PERSON = 0.6  # landmarks whose boxes share more than this are of one person, whatever boxes they were looked for in
SEEN = 0.5  # a visibility above this

# Sigma of one camera's joints. A guess, not yet measured: no keypoint weights come with this package so far.
_SEEN_M, _GUESSED_M, _DEPTH = 0.055, 0.11, 0.06  # about the pelvis; the depth's is a share of the distance

# The landmark that says whether a joint is seen; none for the trunk's, which follow from hips and shoulders.
_NEAREST_LANDMARK = {"hand": "index", "foot": "big_toe", "collar": "shoulder"}
_TRUNK = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")


class LandmarkSource(Protocol):
    """Finds 33 landmarks of the people in boxes (N, 4) px of an image; see `detection.landmarks.LandmarkNetwork`."""

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks: ...


class KeypointEstimator:
    """As `Estimator`, for images that stand alone: nobody is followed, one camera at a time."""

    def __init__(self, network: KeypointRefit, landmarks: LandmarkSource, settings: Settings) -> None:
        """Raises what `make_detector` raises where the settings' detector cannot be had."""
        self._solver, self._landmarks, self._settings = KeypointSolver(network), landmarks, settings
        self._detector: Detector | None = make_detector(settings)

    def reset(self) -> None:
        """There is nothing to forget."""

    def estimate(self, views: Sequence[View]) -> People:
        """Everybody in the one view there is. Raises ValueError for several."""
        if len(views) != 1:
            raise ValueError(f"keypoints of images that stand alone are fitted one camera at a time, not {len(views)}")
        cameras, left_out = usable(views, several=False)
        if not cameras:
            return People(views[0].stamp_s, (), (), left_out)
        camera = cameras[0]
        given = camera.boxes
        if given is None and self._detector is not None:
            given = self._detector.find([camera.image])[0]
        if given is None:
            return People(camera.stamp_s, (), (camera.name,))
        size = camera.calibration.width_px, camera.calibration.height_px
        boxes, dropped = cleaned(given, *size, self._settings.detector_confidence, self._settings.max_people)
        found = self._landmarks.in_boxes(camera.image, boxes.xyxy_px)
        found = found[_different_people(found)]
        bodies = self._solver.fit(
            [
                [Sighting(camera, found.place_px[i], found.visibility[i], "blazepose", found.place_m[i])]
                for i in range(len(found))
            ],
            iterations=self._settings.iterations,
        )
        people = tuple(_person(number, body, found[[number]], camera) for number, body in enumerate(bodies))
        return People(
            camera.stamp_s,
            people,
            (camera.name,),
            iterations=self._settings.iterations,
            detector_calls=int(camera.boxes is None),
            boxes_dropped=dropped,
        )


def _different_people(found: Landmarks) -> np.ndarray:
    """Indices of those who are people, each of them once."""
    kept: list[int] = []
    boxes = [around(places) for places in found.place_px]
    for index in np.argsort(-found.flag, kind="stable"):
        sound = found.flag[index] > PERSON and np.isfinite(found.place_px[index]).all() and found.visibility[index].max() > 0
        if sound and all(overlap(boxes[index], boxes[other])[0, 0] < SAME_PERSON for other in kept):
            kept.append(int(index))
    return np.array(sorted(kept), int)


def _person(number: int, body: KeypointBody, found: Landmarks, camera: Camera) -> Person:
    turns = axis_angle_from_matrix(body.rotmats)
    visibility = found.visibility[0]
    inside = camera.calibration.sees(camera.to_camera(body.joints))
    distance_m = float(np.linalg.norm(body.joints[0] - camera.fixed_from_camera[:3, 3]))
    about_m = np.where(_joints_seen(visibility), _SEEN_M, _GUESSED_M)
    box = clipped(
        around(found.place_px[0][visibility >= min(SEEN, visibility.max())]),
        camera.calibration.width_px,
        camera.calibration.height_px,
    )
    view = PersonView(camera.name, camera.calibration.frame_id, box, body.weak_perspective[0], float(body.residual_px[0]))
    return Person(
        id=number,
        confidence=float(np.clip(found.flag[0] * visibility.mean(), 0, 1)),
        betas=body.betas,
        global_orient=turns[0],
        body_pose=turns[1:],
        transl=body.transl,
        joints=body.joints,
        joint_rotmats=along_the_tree(body.rotmats),
        joint_stddev=np.hypot(about_m, _DEPTH * distance_m),
        joint_in_image=inside,
        views=(view,),
    )


def _joints_seen(visibility: np.ndarray) -> np.ndarray:
    """(24,) bool from the visibility of BlazePose's landmarks."""
    seen = []
    for name in JOINT_NAMES:
        side, _, part = name.rpartition("_")
        landmark = f"{side}_{_NEAREST_LANDMARK.get(part, part)}" if side else "nose"
        names = (landmark,) if side or name in ("head", "neck") else _TRUNK
        seen.append(np.mean([visibility[LANDMARK_INDEX[each]] for each in names]) > SEEN)
    return np.array(seen)

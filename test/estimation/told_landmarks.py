"""Landmark sources, cameras and fits that say what they were told to, for estimators of people through landmarks."""

import numpy as np
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import Camera, View
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.estimation.settings import Settings


class Said:
    """A landmark source that says what it was told to, and keeps what it was asked."""

    def __init__(self, flag, shifts, visibility=None):
        generator = np.random.default_rng(0)
        place = generator.uniform([200, 100], [300, 400], (33, 2))
        count = len(flag)
        seen = np.full((count, 33), 0.9) if visibility is None else visibility
        self.found = Landmarks(
            np.stack([place + [shift, 0] for shift in shifts]),
            seen,
            seen,
            generator.normal(0, 0.3, (count, 33, 3)),
            np.array(flag, float),
            seen,
            np.zeros((count, 4)),
            np.zeros((count, 4)),
        )
        self.asked = None

    def in_boxes(self, image, xyxy_px):
        self.asked = xyxy_px
        return self.found[np.arange(len(xyxy_px))]


def view(boxes=((200, 100, 300, 400), (340, 100, 440, 400), (20, 100, 120, 400))):
    calibration = Calibration("camera", "camera", 640, 480, np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]]))
    return View(
        np.zeros((480, 640, 3), np.uint8),
        calibration,
        0.0,
        boxes=Boxes(np.array(boxes, float).reshape(-1, 4), np.ones(len(boxes))),
    )


def estimator(network, said, birth_hits=2):
    return KeypointEstimator(network, said, Settings(detector="topic", birth_hits=birth_hits))


class Watching:
    """Landmarks and fits of people who stand where it says, whatever an untrained network would make of them."""

    def __init__(self, network, places_m):
        self.network = network
        landmarks, joints = network.landmark_body(
            torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3) * torch.tensor([1.0, -1.0, -1.0])[:, None]
        )
        self.all_landmarks, self.joints_m = ((points - joints[:, :1])[0].numpy() for points in (landmarks, joints))
        self.landmarks = self.all_landmarks[:33]
        self.places_m = np.array(places_m, float)
        self.cameras = {}
        self.turned_rad = []
        self.clear = 0.95  # the visibility of all landmarks
        self.flatness = 0.0  # of fits to what both cameras see

    def views(self, stamp_s, shown=None):
        """Two cameras, 4 m apart, that look at the people from z = 0; boxes where `shown` says (camera by camera)."""
        result = []
        for number, x in enumerate((-2.0, 2.0)):
            pose = np.eye(4)
            turn = np.arctan2(-x, 5.0)
            pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
            pose[0, 3] = x
            name = f"camera{number}"
            calibration = Calibration(name, name, 1280, 960, np.array([[900.0, 0, 640], [0, 900.0, 480], [0, 0, 1]]))
            image = np.full((960, 1280, 3), number, np.uint8)
            self.cameras[number] = Camera(image, calibration, stamp_s, pose, None)
            boxes = np.array([self._box(number, place) for place in self.places_m]).reshape(-1, 4)
            boxes = boxes if shown is None else boxes[shown[number]]
            result.append(View(image, calibration, stamp_s, pose, Boxes(boxes, np.ones(len(boxes)))))
        return result

    def _px(self, camera, place):
        return camera.calibration.project(camera.to_camera(self.landmarks + place))

    def _box(self, number, place):
        px = self._px(self.cameras[number], place)
        return np.concatenate([px.min(0) - 10, px.max(0) + 10])

    def in_turned_boxes(self, images, xyxy_px, turned_rad):
        self.turned_rad += np.concatenate(turned_rad).tolist()
        return [self.in_boxes(*each) for each in zip(images, xyxy_px)]

    def in_boxes(self, image, xyxy_px):
        camera = self.cameras[int(image[0, 0, 0])]
        everybody = np.array([self._px(camera, place) for place in self.places_m])
        middles = (xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2
        own = [int(np.linalg.norm(everybody.mean(1) - middle, axis=1).argmin()) for middle in middles]
        count = len(own)
        seen = np.full((count, 33), self.clear)
        offset = np.stack([self.landmarks @ camera.fixed_from_camera[:3, :3]] * count) if count else np.zeros((0, 33, 3))
        return Landmarks(
            everybody[own].reshape(-1, 33, 2), seen, seen, offset, np.full(count, 0.9), seen,
            np.zeros((count, 4)), np.zeros((count, 4)),
        )  # fmt: skip

    def joints(self, betas, rotmats):
        return np.repeat(self.joints_m[None], len(betas), 0)

    def fit(self, people, betas=None, iterations=None, shapes=(), tentative=False, closely=False):
        bodies = []
        for index, sightings in enumerate(people):
            first = sightings[0]
            off = [np.abs(self._px(first.camera, place) - first.place_px).max() for place in self.places_m]
            place, count = self.places_m[int(np.argmin(off))], len(sightings)
            shape = np.zeros(10) if betas is None or np.isnan(betas[index]).any() else betas[index]
            turns = np.tile(np.eye(3), (24, 1, 1))
            bodies.append(
                KeypointBody(
                    shape,
                    turns,
                    place,
                    self.joints_m + place,
                    self.all_landmarks + place,
                    np.ones((count, 3)),
                    np.ones(count),
                    np.zeros((count, 4)),
                    flatness=self.flatness * (count > 1),
                )  # fmt: skip
            )
        return bodies


def following(network, watching):
    result = estimator(network, watching)
    result._solver = watching
    return result

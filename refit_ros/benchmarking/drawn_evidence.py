"""People who walk in a circle before a ring of cameras, and eyes that know where: evidence without images or networks.

What lies behind the eyes (messages, DDS, fusion) can be measured with many cameras on a machine that could not look at them.
Nobody hides anybody here, and all landmarks are seen: it says what fusing costs, not how well a room is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import Camera
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, load_network
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.landmarks import COUNT, Landmarks, no_landmarks
from refit_ros.estimation.evidence_arrays import as_sent
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence
from refit_ros.synthetic.cameras import looking_at

WIDTH_PX, HEIGHT_PX, FOCAL_PX = 640, 480, 450.0
RING_M, HEIGHT_M = 4.5, 1.8  # of the cameras, which look at the middle
MIDDLE_M = np.array([0.0, 0.0, 0.9])
NOISE_PX = 2.0
CIRCLE_M, TURN_S = 1.3, 12.0  # of the people, who keep their distance from each other
MARGIN_PX = 12.0
SEEN, SURE = 0.95, 0.9  # visibility of each landmark, confidence of each box


def pelvis_m(people: int, time_s: float) -> np.ndarray:
    """(P, 3) m in the room, z up, of a time since 1970."""
    angle = 2 * np.pi * (time_s % TURN_S / TURN_S + np.arange(people) / max(people, 1))
    return np.stack([CIRCLE_M * np.cos(angle), CIRCLE_M * np.sin(angle), np.full(people, 0.95)], 1)


class DrawnRoom:
    """`cameras` cameras called camera1, camera2 ... and `people` people, at any time."""

    def __init__(self, network: KeypointRefit, cameras: int, people: int) -> None:
        upright = torch.eye(3).expand(1, 24, 3, 3).clone()
        upright[:, 0] = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # the body's y becomes the room's z
        landmarks, joints = network.landmark_body(torch.zeros(1, 10), upright)
        self.body_m = (landmarks[:, :COUNT] - joints[:, :1])[0].double().numpy()  # about the pelvis
        self.people = people
        self.names = [f"camera{number + 1}" for number in range(cameras)]
        angles = 2 * np.pi * np.arange(cameras) / cameras
        places_m = np.stack([RING_M * np.cos(angles), RING_M * np.sin(angles), np.full(cameras, HEIGHT_M)], axis=1)
        self.poses = {name: looking_at(place_m, MIDDLE_M) for name, place_m in zip(self.names, places_m)}
        K = np.array([[FOCAL_PX, 0, WIDTH_PX / 2], [0, FOCAL_PX, HEIGHT_PX / 2], [0, 0, 1]])
        self.calibrations = {name: Calibration(name, f"{name}_optical", WIDTH_PX, HEIGHT_PX, K) for name in self.names}

    def seen(self, name: str, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """(P, 33, 2) px with noise of this camera and moment, and (33, 3) m in the camera's axes."""
        pose = self.poses[name]
        points = (pelvis_m(self.people, time_s)[:, None] + self.body_m - pose[:3, 3]) @ pose[:3, :3]
        dice = np.random.default_rng([self.names.index(name), round(time_s * 1e4) % 2**31])
        px = self.calibrations[name].project(points)
        return px + dice.normal(0, NOISE_PX, px.shape), self.body_m @ pose[:3, :3]


def drawn_room(cameras: int, people: int) -> tuple[DrawnRoom, KeypointRefit]:
    """With the embedded network of keypoints."""
    network = load_network(EMBEDDED_KEYPOINT_WEIGHTS)
    return DrawnRoom(network, cameras, people), network


class DrawnEyes:
    """`Eyes` of a `DrawnRoom`: of an image only camera and capture time count."""

    sends = False

    def __init__(self, room: DrawnRoom) -> None:
        self._room = room

    def searches(self, search: Search) -> bool:
        return search == Search.DETECTOR

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        return {index: self._of_one(cameras[index], one) for index, one in wanted.items()}

    def expect(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], in_s: float) -> None:
        """What is drawn is there at once."""

    def _of_one(self, camera: Camera, wanted: Expectation) -> ViewEvidence:
        px, offset_m = self._room.seen(camera.name, camera.stamp_s)
        corners = np.concatenate([px.min(1) - MARGIN_PX, px.max(1) + MARGIN_PX], 1).reshape(-1, 4)
        boxes = Boxes(corners, np.full(len(corners), SURE)) if wanted.search == Search.DETECTOR else None
        if not len(wanted.regions_px) or not len(px):
            return ViewEvidence(boxes, landmarks=no_landmarks() if len(wanted.regions_px) else None)
        middles = (wanted.regions_px[:, :2] + wanted.regions_px[:, 2:]) / 2
        away = np.linalg.norm(px.mean(1)[None] - middles[:, None], axis=-1)
        own = np.unique(away.argmin(1))
        count, rest = len(own), no_landmarks()
        visible = np.full((count, COUNT), SEEN)
        found = Landmarks(
            place_px=px[own],
            visibility=visible,
            presence=visible,
            place_m=np.tile(offset_m, (count, 1, 1)),
            flag=np.full(count, SEEN),
            heat=visible,
            region=np.zeros((count, *rest.region.shape[1:])),
            next_region=np.zeros((count, *rest.next_region.shape[1:])),
        )
        return ViewEvidence(boxes, landmarks=as_sent(found))

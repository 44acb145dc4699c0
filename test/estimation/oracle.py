"""A network that knows the truth, with noise: what comes after it can be tested without any weights.

It tells the cameras of a test apart by their focal lengths and gives each crop the person who stands in its middle.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.geometry import around, carried, matrix_from_axis_angle
from refit_ros.camera.views import Camera, View
from refit_ros.core.body import load_body
from refit_ros.core.camera import weak_perspective_from_transl
from refit_ros.core.refit import Features
from refit_ros.core.types import Crops, Estimate, Fit
from refit_ros.estimation.eyes import FeatureEyes
from refit_ros.estimation.solve import Crop, Encoded, Solver
from refit_ros.estimation.view_evidence import expectations, features_in_order


def ring(count: int, radius_m: float = 4.0, height_m: float = 1.6) -> list[tuple[Calibration, np.ndarray]]:
    """Cameras on a circle, looking at (0, 0, 1) of a z-up fixed frame: calibration and fixed_from_camera."""
    cameras = []
    for index in range(count):
        angle = 2 * np.pi * index / max(count, 3) + 0.3
        place = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height_m])
        forward = np.array([0, 0, 1.0]) - place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
        pose[:3, 3] = place
        focal = 500.0 + index
        K = np.array([[focal, 0, 320.5], [0, focal, 240.25], [0, 0, 1]])
        cameras.append((Calibration(f"cam{index}", f"cam{index}_optical", 640, 480, K), pose))
    return cameras


class Actor:
    """A body that walks straight, upright in a z-up frame, swinging a few joints."""

    def __init__(self, start, velocity=(0, 0), seed=0, phase=0.0):
        self.start, self.velocity, self.phase = np.array([*start, 0.0]), np.array([*velocity, 0.0]), phase
        rng = np.random.default_rng(seed)
        self.betas = rng.normal(0, 0.5, 10)
        self.heading = np.arctan2(velocity[1], velocity[0]) if np.any(velocity) else 0.0

    def at(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (24, 3, 3), the first one global, and the pelvis (3,) m."""
        axis_angle = np.zeros((24, 3))
        swing = 0.5 * np.sin(4 * time_s + self.phase)
        axis_angle[1, 0], axis_angle[2, 0] = swing, -swing
        axis_angle[16, 2], axis_angle[17, 2] = -1.2, 1.2
        rotmats = matrix_from_axis_angle(axis_angle)
        upright = matrix_from_axis_angle(np.array([np.pi / 2, 0, 0]))
        rotmats[0] = matrix_from_axis_angle(np.array([0, 0, self.heading + np.pi / 2])) @ upright
        return rotmats, self.start + self.velocity * time_s + [0, 0, 0.95]


class Stage:
    """Actors before cameras; gives views (black images with true boxes) and the truth."""

    def __init__(self, actors, cameras, body=None):
        self.body = body or load_body()
        self.actors, self.cameras, self.time_s = actors, cameras, 0.0
        self.hidden: set[tuple[int, int]] = set()  # (actor, camera): no box is given there
        self.absent: set[int] = set()  # actors who are not there
        self.believed = [pose for _, pose in cameras]  # where the cameras are said to stand

    def pose(self, actor: int):
        rotmats, pelvis = self.actors[actor].at(self.time_s)
        betas = torch.tensor(self.actors[actor].betas[None], dtype=torch.float32)
        joints = self.body.joints(betas, torch.tensor(rotmats[None], dtype=torch.float32))[0].double().numpy()
        return rotmats, pelvis - joints[0], joints - joints[0] + pelvis

    def in_camera(self, actor: int, camera: int) -> np.ndarray:
        _, _, joints = self.pose(actor)
        pose = self.cameras[camera][1]
        return (joints - pose[:3, 3]) @ pose[:3, :3]

    def views(self, time_s: float, only=None) -> list[View]:
        self.time_s = time_s
        views = []
        for index, (calibration, _) in enumerate(self.cameras):
            if only is not None and index not in only:
                continue
            boxes = []
            for actor in range(len(self.actors)):
                points = self.in_camera(actor, index)
                if (actor, index) in self.hidden or actor in self.absent or points[:, 2].min() < 0.3:
                    continue
                if calibration.sees(points).mean() > 0.3:
                    boxes.append(around(calibration.project(points)) + [-12, -12, 12, 12])
            image = np.zeros((calibration.height_px, calibration.width_px, 3), np.uint8)
            views.append(
                View(
                    image,
                    calibration,
                    time_s,
                    self.believed[index],
                    Boxes(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.9)),
                )
            )
        return views


def encoded(solver: Solver, cameras: list[Camera], planned: list[Crop]) -> Encoded:
    """What eyes and solver make of crops."""
    features = None
    if planned:
        seen = FeatureEyes(solver.network, {}).look(cameras, expectations(tuple(planned)))
        features = features_in_order(tuple(planned), seen)
    return solver.encoded(cameras, planned, features)


class Oracle(nn.Module):
    """Stands in for the network over a Stage: the truth plus noise, views of a person averaged as the loop does."""

    def __init__(self, stage: Stage, angle_rad=0.03, pixels=3.0, depth=0.06, seed=0):
        super().__init__()
        self.stage, self.body = stage, stage.body
        self.config = SimpleNamespace(image_size=32, iterations=5)
        self.anchor = nn.Parameter(torch.zeros(1))
        self.noise = (angle_rad, pixels, depth)
        self.rng = np.random.default_rng(seed)
        self.calls: list[tuple[int, int, bool]] = []  # crops, iterations, warm

    def encode(self, images):
        return Features(torch.zeros(len(images), 1, 8, 8), torch.zeros(len(images), 4))

    def fit(self, features, crops: Crops, views=None, betas=None, start=None, iterations=None) -> Fit:
        self.calls.append((len(crops), iterations, start is not None))
        rows = [self._row(crops, index) for index in range(len(crops))]
        rotmats, shapes, transl = (np.stack([row[k] for row in rows]) for k in range(3))
        if views is not None:
            world = views.camera_from_world.numpy().astype(float)
            for person in views.person.unique().numpy():
                mine = np.flatnonzero(views.person.numpy() == person)
                first = mine[0]
                shapes[mine] = shapes[mine].mean(0)
                rotmats[mine, 1:] = rotmats[first, 1:]
                rotmats[mine, 0] = world[mine] @ (world[first].T @ rotmats[first, 0])
        if betas is not None:
            shapes = np.where(np.isnan(betas.numpy()), shapes, betas.numpy())
        transl = torch.tensor(transl, dtype=torch.float32)
        estimate = Estimate(
            torch.tensor(rotmats, dtype=torch.float32),
            torch.tensor(shapes, dtype=torch.float32),
            weak_perspective_from_transl(transl, crops),
            transl,
        )
        return Fit(estimate, (estimate, estimate))

    def _row(self, crops: Crops, index: int):
        stage, (angle, pixels, depth) = self.stage, self.noise
        camera = int(round(float(crops.focal_px[index]) - 500))
        calibration, pose = stage.cameras[camera]
        center = crops.center_px[index].numpy()
        present = [a for a in range(len(stage.actors)) if a not in stage.absent]
        middle = [around(calibration.project(stage.in_camera(a, camera))).reshape(2, 2).mean(0) for a in present]
        # Somebody nearer to the camera wins where two stand in one crop.
        nearness = [
            np.linalg.norm(m - center) / float(crops.side_px[index]) + 0.05 * stage.in_camera(a, camera)[0, 2]
            for a, m in zip(present, middle)
        ]
        actor = present[int(np.argmin(nearness))]
        rotmats, transl, joints = stage.pose(actor)
        rotmats = rotmats @ matrix_from_axis_angle(self.rng.normal(0, angle, (24, 3)))
        rest_pelvis = joints[0] - transl
        inverse = np.linalg.inv(pose)
        turned, moved = carried(inverse, rotmats[0], transl, rest_pelvis)
        rotmats[0] = turned
        # A single view mistakes the depth along its ray, and the place in the image by some pixels.
        scale = 1 + self.rng.normal(0, depth)
        pelvis = (moved + rest_pelvis) * scale
        pelvis[:2] += self.rng.normal(0, pixels, 2) * pelvis[2] / calibration.focal_px
        return rotmats, stage.actors[actor].betas + self.rng.normal(0, 0.1, 10), pelvis - rest_pelvis

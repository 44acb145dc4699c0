"""Where cameras stand and what they see: random ones around a person, and rings of calibrated ones around a place.

The world is z up; a camera's frame is x right, y down, z forward (REP 103's optical frame).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
import torch
from torch import Tensor

from refit_ros.camera.calibration import Calibration
from refit_ros.synthetic.anatomy import turn
from refit_ros.synthetic.dice import Dice


@dataclass(frozen=True)
class Shots:
    """N pinhole cameras, each looking at somebody."""

    camera_from_world: Tensor  # (N, 3, 3)
    focal_px: Tensor  # (N,)
    principal_px: Tensor  # (N, 2)
    size_px: Tensor  # (N, 2) width, height of the full image
    pelvis_m: Tensor  # (N, 3) the person's pelvis in the camera frame


def look(azimuth: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """camera_from_world (..., 3, 3) of a camera that looks along `azimuth`, `pitch` downwards, rolled; rad."""
    c, s = torch.cos(azimuth), torch.sin(azimuth)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    level = torch.stack(
        [torch.stack([s, -c, zero], -1), torch.stack([zero, zero, -one], -1), torch.stack([c, s, zero], -1)], -2
    )
    return turn("z", roll) @ turn("x", pitch) @ level


def sample_shots(dice: Dice, people: int, views: int) -> Shots:
    """Cameras of `views` for each of `people` (one person's together): focal length 400 .. 2000 px, any yaw, pitch and roll
    within 20 degrees, the person at 1.5 m or more, mostly whole in the image, at times cut by its edge."""
    count = people * views
    start = dice.uniform(0, 2 * torch.pi, people, 1)
    spread = torch.arange(views, device=dice.device) * (2 * torch.pi / views) + dice.uniform(-0.6, 0.6, people, views)
    azimuth = (start + spread).flatten()
    pitch = dice.uniform(radians(-20), radians(20), count) * 0.5 + dice.uniform(0, radians(20), count) * 0.5
    pitch = torch.where(dice.chance(0.25, count), dice.uniform(radians(-20), radians(20), count), pitch)
    roll = dice.normal(count, sigma=radians(7), most=2.85)
    sizes = torch.tensor(
        [(640, 480), (800, 600), (960, 540), (1280, 720), (1280, 960), (1920, 1080), (720, 1280)],
        device=dice.device,
        dtype=torch.float32,
    )
    size = sizes[dice.below(len(sizes), count)]
    focal = (size.amax(1) * torch.exp(dice.uniform(-0.62, 0.45, count))).clamp(400, 2000)
    principal = (size - 1) / 2 + size * dice.normal(count, 2, sigma=0.01)
    fill = dice.uniform(0.25, 0.9, count)
    depth = (focal * 1.75 / (size[:, 1] * fill)).clamp(min=1.5)
    depth = torch.minimum(depth, dice.uniform(8, 11, count))
    half = torch.stack([0.42 * focal / depth, 0.95 * focal / depth], 1)
    loose = dice.chance(0.12, count)[:, None]  # the person may be cut by the edge
    margin = torch.minimum(torch.where(loose, 0.35 * half, half), size * 0.5)
    pixel = margin + dice.uniform(0, 1, count, 2) * (size - 2 * margin)
    ray = torch.cat([(pixel - principal) / focal[:, None], torch.ones(count, 1, device=dice.device)], 1)
    return Shots(look(azimuth, pitch, roll), focal, principal, size, ray * depth[:, None])


def ring_of_cameras(
    count: int,
    radius_m: float = 4.0,
    height_m: float = 1.7,
    target_m: tuple[float, float, float] = (0, 0, 0.95),
    width_px: int = 640,
    height_px: int = 480,
    focal_px: float | None = None,
    first_azimuth_rad: float = -1.5708,
    names: list[str] | None = None,
) -> list[tuple[Calibration, np.ndarray]]:
    """Calibrated cameras evenly round a place, all looking at it -> [(Calibration, world_from_camera (4, 4) m)].

    With two cameras a quarter turn lies between them, with more they go all the way round.
    Raises ValueError when there are no cameras or as many names are not given.
    """
    if count < 1:
        raise ValueError("a ring needs at least one camera")
    if names is None:
        names = ["camera"] if count == 1 else [f"camera{number}" for number in range(1, count + 1)]
    if len(names) != count:
        raise ValueError(f"{count} cameras need {count} names, not {len(names)}")
    focal = focal_px if focal_px is not None else 0.86 * width_px
    step = 2 * np.pi / count if count > 2 else np.pi / 2
    ring = []
    for number, name in enumerate(names):
        angle = first_azimuth_rad + number * step
        place = np.array([target_m[0] + radius_m * np.cos(angle), target_m[1] + radius_m * np.sin(angle), height_m])
        ring.append(
            (
                Calibration(
                    name=name,
                    frame_id=f"{name}_optical_frame",
                    width_px=width_px,
                    height_px=height_px,
                    K=np.array([[focal, 0, (width_px - 1) / 2], [0, focal, (height_px - 1) / 2], [0, 0, 1.0]]),
                    D=np.zeros(5),
                ),
                looking_at(place, np.asarray(target_m, float)),
            )
        )
    return ring


def looking_at(place_m: np.ndarray, target_m: np.ndarray) -> np.ndarray:
    """world_from_camera (4, 4) of a level camera at `place_m` that looks at `target_m`."""
    forward = target_m - place_m
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = place_m
    return pose

"""What a warm start is worth: the same person twice, a moment apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from refit_ros.camera.crops import Square, cut_all, square_around
from refit_ros.core.body import Body
from refit_ros.core.camera import weak_perspective_from_transl
from refit_ros.core.refit import Refit
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Crops, Estimate
from refit_ros.training.data import Batch
from refit_ros.training.measure import errors, estimates

APART_S = 0.1  # between the two moments: a node that gives ten results a second
SCENES, MOMENTS = 50, 4
ITERATIONS = (1, 2, 3, 5)
SEED = 4_000
MOVING = ("walk", "gesture", "reach", "sit", "crouch")


def warm_against_cold(network: Refit, body: Body, device: torch.device, scenes: int = SCENES) -> dict:
    """Errors after a few iterations, begun from nothing and from what five cold ones found APART_S earlier."""
    earlier, later = moving_pairs(body, network.config.image_size, scenes)
    before = estimates(network, earlier, device)[-1]
    start = Estimate(before.rotmats, before.betas, weak_perspective_from_transl(before.transl, later.crops), before.transl)
    cold, warm = estimates(network, later, device), estimates(network, later, device, start=start)
    steps = [step for step in ITERATIONS if step < len(cold)]
    return {
        "pairs": len(later),
        "apart_s": APART_S,
        "cold": {str(step): errors(cold[step], later, body, surface=False) for step in steps},
        "warm": {str(step): errors(warm[step], later, body, surface=False) for step in steps},
    }


def moving_pairs(body: Body, image_size: int, scenes: int = SCENES) -> tuple[Batch, Batch]:
    """Crops of scenes x MOMENTS people who walk, gesture, reach, sit down and crouch, and the same APART_S later."""
    from refit_ros.synthetic.cameras import ring_of_cameras
    from refit_ros.synthetic.dice import Dice
    from refit_ros.synthetic.motion import Motion, circle
    from refit_ros.synthetic.scenes import Actor, Scene

    rng = np.random.default_rng(SEED)
    moments: tuple[list, list] = ([], [])
    for number in range(scenes):
        betas = Dice(torch.Generator().manual_seed(SEED + number)).normal(1, 10, sigma=0.8)
        motion = Motion(
            body,
            betas,
            MOVING[number % len(MOVING)],
            circle(1.0, 1.1, start_rad=float(rng.uniform(0, 6.28))),
            seed=SEED + number,
            duration_s=10.0,
        )
        camera = ring_of_cameras(1, first_azimuth_rad=float(rng.uniform(0, 6.28)))
        scene = Scene([Actor(0, betas[0].double().numpy(), motion)], camera, SEED + number)
        for time_s in rng.uniform(0, 9.5, MOMENTS):
            for kept, moment_s in zip(moments, (time_s, time_s + APART_S)):
                kept.append(_seen(scene, body, float(moment_s)))
    return _batch(moments[0], image_size), _batch(moments[1], image_size)


def _seen(scene, body: Body, time_s: float) -> tuple:
    """Image, calibration, square around the person, and the person in the camera's frame."""
    calibration, world_from_camera = scene.cameras[0]
    turned = torch.as_tensor(np.asarray(world_from_camera)[:3, :3].T, dtype=torch.float32)
    place = torch.as_tensor(np.asarray(world_from_camera)[:3, 3], dtype=torch.float32)
    person = scene.truth(time_s)[0]
    turns = np.concatenate([person.global_orient[None], person.body_pose])
    rotmats = rotmat_from_axis_angle(torch.from_numpy(turns).float())
    betas = torch.from_numpy(person.betas).float()
    transl = torch.from_numpy(person.transl).float()
    vertices = (body.vertices(betas[None], rotmats[None], transl[None])[0] - place) @ turned.T
    joints = (torch.from_numpy(person.joints).float() - place) @ turned.T
    pixels = calibration.project(vertices.double().numpy())
    square = square_around(np.concatenate([pixels.min(0), pixels.max(0)]))
    rotmats[0] = turned @ rotmats[0]
    return scene.render(time_s, 0), calibration, square, rotmats, betas, joints


def _batch(seen: list[tuple], image_size: int) -> Batch:
    images, calibrations, squares, rotmats, betas, joints = zip(*seen)
    crops: Crops = cut_all(list(images), list(calibrations), [Square(s.center_px, s.side_px) for s in squares], image_size)
    count = len(seen)
    known, unknown = torch.ones(count), torch.zeros(count)
    nowhere: Tensor = torch.zeros(count, 3)
    return Batch(
        crops.images,
        crops.center_px,
        crops.side_px,
        crops.focal_px,
        crops.principal_px,
        torch.arange(count),
        torch.eye(3).expand(count, 3, 3),
        torch.stack(rotmats),
        torch.stack(betas),
        nowhere,
        torch.stack(joints),
        torch.zeros(count, 24, 2),
        known,
        unknown,
        known[:, None].expand(-1, 24),
        unknown[:, None].expand(-1, 24),
    )

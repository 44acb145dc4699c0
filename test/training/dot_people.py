"""A body of 200 vertices and people of coloured dots: enough to learn from, at no cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.camera import project, weak_perspective_from_transl
from refit_ros.core.joints import PARENTS
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Crops, Estimate

STEPS = np.array(
    [
        [0, 0, 0],
        [0.07, -0.09, 0],
        [-0.07, -0.09, 0],
        [0, 0.12, 0],
        [0.03, -0.38, 0],
        [-0.03, -0.38, 0],
        [0, 0.14, 0],
        [0, -0.4, 0],
        [0, -0.4, 0],
        [0, 0.06, 0],
        [0, -0.06, 0.12],
        [0, -0.06, 0.12],
        [0, 0.2, 0],
        [0.08, 0.11, 0],
        [-0.08, 0.11, 0],
        [0, 0.08, 0.03],
        [0.1, 0.03, 0],
        [-0.1, 0.03, 0],
        [0.26, 0, 0],
        [-0.26, 0, 0],
        [0.25, 0, 0],
        [-0.25, 0, 0],
        [0.08, 0, 0],
        [-0.08, 0, 0],
    ]
)


def write_body(path: Path, vertices: int = 240) -> Path:
    """An SMPL file of loose points around the joints."""
    rng = np.random.default_rng(3)
    joints = np.zeros((24, 3))
    for joint in range(1, 24):
        joints[joint] = joints[PARENTS[joint]] + STEPS[joint]
    owner = np.arange(vertices) % 24
    regressor = np.zeros((24, vertices))
    regressor[owner, np.arange(vertices)] = 24 / vertices
    weights = np.eye(24)[owner]
    np.savez(
        path,
        v_template=joints[owner] + rng.normal(0, 0.03, (vertices, 3)),
        f=np.arange(30).reshape(10, 3),
        shapedirs=rng.normal(0, 0.01, (vertices, 3, 10)),
        posedirs=np.zeros((vertices, 3, 207)),
        J_regressor=regressor,
        weights=weights,
        markers=rng.permutation(vertices)[:67],
        kintree_table=np.array([(2**32 - 1,) + PARENTS[1:], range(24)]),
    )
    return path


@dataclass(frozen=True)
class DotSamples:
    crops: Crops
    target: Estimate
    joints_m: Tensor
    joints_px: Tensor
    person: Tensor
    camera_from_world: Tensor


class DotSource:
    """Stands in for `refit_ros.synthetic.samples.SampleSource`: every joint is a dot of its own colour."""

    def __init__(self, body: Body, image_size: int, split: str, seed: int, device: torch.device | str = "cpu"):
        self.body, self.size, self.device = body, image_size, torch.device(device)
        self.generator = torch.Generator().manual_seed(seed + (10_000 if split == "test" else 0))
        self._colours = torch.rand(24, 3, generator=torch.Generator().manual_seed(1)).to(device)

    def _random(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator).to(self.device)

    @torch.no_grad()
    def batch(self, count: int, views: int = 1) -> DotSamples:
        person = torch.arange(count, device=self.device).repeat_interleave(views)
        pose = (0.3 * (self._random(count, 24, 3) - 0.5))[person]
        rotmats = rotmat_from_axis_angle(pose)
        yaw = 2 * np.pi * self._random(len(person), 1) * torch.tensor([0.0, 1.0, 0.0], device=self.device)
        upright = torch.diag(torch.tensor([1.0, -1.0, -1.0], device=self.device))
        camera_from_world = upright @ rotmat_from_axis_angle(yaw)
        rotmats[:, 0] = camera_from_world @ rotmats[:, 0]
        betas = (self._random(count, 10) - 0.5)[person]
        transl = torch.cat((0.2 * self._random(len(person), 2), 4 + self._random(len(person), 1)), 1)
        joints_m = self.body.joints(betas, rotmats, transl)
        focal_px = torch.full((len(person),), 500.0, device=self.device)
        principal_px = torch.full((len(person), 2), 256.0, device=self.device)
        joints_px = project(joints_m, focal_px, principal_px)
        low, high = joints_px.amin(1), joints_px.amax(1)
        center_px, side_px = (low + high) / 2, 1.2 * (high - low).amax(1)
        images = self._image((joints_px - center_px[:, None]) / side_px[:, None, None] + 0.5)
        crops = Crops(images, center_px, side_px, focal_px, principal_px)
        target = Estimate(rotmats, betas, weak_perspective_from_transl(transl, crops), transl)
        return DotSamples(crops, target, joints_m, joints_px, person, camera_from_world)

    def _image(self, places: Tensor) -> Tensor:
        """places (B, 24, 2) in 0 .. 1 -> images (B, 3, S, S)."""
        cells = torch.arange(self.size, device=self.device) / self.size
        across = torch.exp(-(((cells - places[..., :1]) * 25) ** 2))
        down = torch.exp(-(((cells - places[..., 1:]) * 25) ** 2))
        return torch.einsum("bjy,bjx,jc->bcyx", down, across, self._colours).clamp(max=2)

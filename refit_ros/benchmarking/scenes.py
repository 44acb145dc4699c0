"""Crops to measure with. What they show does not change the time; where held-out people exist, they are used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from refit_ros.core.body import Body, load_body
from refit_ros.core.types import Crops, Views

# What the running node sees: parameters of the synthetic cameras.
ONE_WALKING = {"scene": "walking", "cameras": 1, "people": 1, "rate": 30.0, "width": 640, "height": 480}


def random_crops(count: int, size: int, device: torch.device, seed: int = 0) -> Crops:
    """`count` crops of noise, somewhere in a 640 x 480 image."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, size, size, generator=generator)
    center = torch.rand(count, 2, generator=generator) * torch.tensor([400.0, 280.0]) + torch.tensor([120.0, 100.0])
    return Crops(
        images,
        center,
        torch.full((count,), 240.0),
        torch.full((count,), 600.0),
        torch.tensor([320.0, 240.0]).repeat(count, 1),
    ).to(device)


def views_of(people: int, cameras: int, device: torch.device) -> Views:
    """Every person seen by every camera; the cameras stand in a ring."""
    turns = torch.arange(cameras) * (2 * torch.pi / cameras)
    zero, one = torch.zeros(cameras), torch.ones(cameras)
    rotations = torch.stack(
        (turns.cos(), zero, turns.sin(), zero, one, zero, -turns.sin(), zero, turns.cos()), dim=1
    ).reshape(-1, 3, 3)
    return Views(torch.arange(people).repeat_interleave(cameras), rotations.repeat(people, 1, 1)).to(device)


def full_size_body(vertices: int = 6890) -> Body:
    """The embedded body with vertices repeated to as many as SMPL has: the same sums to do as with SMPL itself."""
    arrays = load_body().arrays
    count = len(arrays.v_template)
    again = np.arange(vertices) % count
    regressor = np.zeros((24, vertices))
    regressor[:, :count] = arrays.J_regressor
    return Body(
        replace(
            arrays,
            v_template=arrays.v_template[again],
            shapedirs=arrays.shapedirs[again],
            posedirs=arrays.posedirs[again],
            weights=arrays.weights[again],
            J_regressor=regressor,
        )
    )

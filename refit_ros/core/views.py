"""What several views of one person share: shape, body pose and orientation in the world. Each keeps its camera."""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.core.rotations import nearest_rotmat, rotmat_from_6d, sixd_from_rotmat
from refit_ros.core.types import Views
from refit_ros.core.update import State


def averaging(views: Views) -> Tensor:
    """(B, B) matrix whose product is each view's mean over the views of its person, however many they are."""
    same = (views.person[:, None] == views.person[None]).to(views.camera_from_world.dtype)
    return same / same.sum(dim=1, keepdim=True)


def agree(state: State, views: Views) -> State:
    """The views of each person brought to one opinion.

    Shape and each joint's six numbers are averaged as they are. The global rotation is carried to the world,
    R_w = R^T G, averaged on SO(3) and carried back, G = R mean(R_w). Who is seen by one view only keeps the state
    untouched, its global six numbers not made orthonormal either: one view gives the same with and without `views`.
    """
    mean = averaging(views)
    alone = mean.diagonal()[:, None] == 1
    world = views.camera_from_world.transpose(1, 2) @ rotmat_from_6d(state.pose[:, :6])
    world = nearest_rotmat((mean @ world.flatten(1)).unflatten(1, (3, 3)))
    root = sixd_from_rotmat(views.camera_from_world @ world)
    pose = torch.where(alone, state.pose, torch.cat((root, mean @ state.pose[:, 6:]), dim=1))
    return State(pose, mean @ state.betas, state.camera)

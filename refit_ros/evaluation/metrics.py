"""Errors as the literature reports them. All per person, in the units of what goes in."""

from __future__ import annotations

import torch
from torch import Tensor

# Of Human3.6M's 17 joints those that the 14-joint protocol counts, as in SPIN (Kolotouros et al., ICCV 2019).
FOURTEEN_OF_SEVENTEEN = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)


def fourteen_joints(regressor: Tensor, vertices: Tensor) -> Tensor:
    """(B, 14, 3) joints of a mesh, the pelvis at the origin. regressor (17, V): Human3.6M's joints, the pelvis first; or
    (14, V): LSP's, whose pelvis is the middle of rows 2 and 3, the hips."""
    joints = regressor @ vertices
    if len(regressor) == 17:
        return (joints - joints[:, :1])[:, FOURTEEN_OF_SEVENTEEN]
    return joints - joints[:, 2:4].mean(1, keepdim=True)


def joint_error(joints: Tensor, truth: Tensor, root: int | None = 0) -> Tensor:
    """MPJPE: mean distance of joints (B, J, 3) after moving joint `root` onto the origin (None: as they lie) -> (B,)."""
    return distances(joints, truth, root).mean(1)


def distances(joints: Tensor, truth: Tensor, root: int | None = 0) -> Tensor:
    """(B, J): how far each joint is off, joint `root` at the origin; None: as they lie."""
    if root is None:
        return (joints - truth).norm(dim=-1)
    return ((joints - joints[:, root : root + 1]) - (truth - truth[:, root : root + 1])).norm(dim=-1)


def aligned_joint_error(joints: Tensor, truth: Tensor) -> Tensor:
    """PA-MPJPE: the same after the best similarity transform (Procrustes) -> (B,)."""
    return (similarity_aligned(joints, truth) - truth).norm(dim=-1).mean(1)


def similarity_aligned(points: Tensor, truth: Tensor) -> Tensor:
    """points (B, J, 3) scaled, turned and moved as near to truth as they go (Umeyama 1991, eq. 40-42)."""
    middle, true_middle = points.mean(1, keepdim=True), truth.mean(1, keepdim=True)
    source, target = (points - middle).double(), (truth - true_middle).double()
    u, strength, vh = torch.linalg.svd(target.transpose(1, 2) @ source)
    sign = torch.ones_like(strength)
    sign[:, 2] = torch.linalg.det(u @ vh).sign()
    rotation = (u * sign[:, None]) @ vh
    scale = (strength * sign).sum(1) / source.square().sum((1, 2)).clamp(min=1e-12)
    aligned = scale[:, None, None] * source @ rotation.transpose(1, 2)
    return aligned.to(points.dtype) + true_middle


def vertex_error(vertices: Tensor, joints: Tensor, true_vertices: Tensor, true_joints: Tensor) -> Tensor:
    """PVE: mean distance of vertices (B, V, 3), both pelvises (joint 0) at the origin -> (B,)."""
    return ((vertices - joints[:, :1]) - (true_vertices - true_joints[:, :1])).norm(dim=-1).mean(1)


def flipped(rotmats: Tensor, truth: Tensor) -> Tensor:
    """(B,) bool: is the global orientation off by more than 90 degrees?"""
    trace = (rotmats[:, 0] * truth[:, 0]).sum((1, 2))  # trace(R^T T) = 1 + 2 cos(angle)
    return trace < 1.0

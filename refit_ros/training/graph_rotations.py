"""The mean rotation of several views without a singular value decomposition.

CUDA's decomposition makes the host wait for its outcome, which cannot be recorded in a graph. The same rotation comes from
the largest eigenvector of Davenport's 4 x 4 matrix (Wahba's problem, q-method), and the gradient from the polar
decomposition M = R S alone.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.core.rotations import rotmat_from_quaternion

SQUARINGS = 7        # the second eigenvalue counts (l2 / l1) ^ 128
FIRMNESS = 0.05      # keeps the gradient finite where views contradict each other


class _Nearest(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix: Tensor) -> Tensor:
        rotation = rotmat_from_quaternion(_largest_eigenvector(_davenport(matrix)))
        ctx.save_for_backward(rotation, rotation.transpose(-1, -2) @ matrix)
        return rotation

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        # dR = R hat(w) with (tr(S) I - S) w = vee(R^T dM - dM^T R); the adjoint takes G to R hat((tr(S) I - S)^-1 g),
        # g = vee of the skew part of R^T G.
        rotation, stretch = ctx.saved_tensors
        stretch = (stretch + stretch.transpose(-1, -2)) / 2
        identity = torch.eye(3, device=gradient.device, dtype=gradient.dtype)
        trace = stretch.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
        inner = rotation.transpose(-1, -2) @ gradient
        skewed = inner - inner.transpose(-1, -2)
        vector = torch.stack((skewed[..., 2, 1], skewed[..., 0, 2], skewed[..., 1, 0]), -1)
        turned = (_inverse(trace * identity - stretch + FIRMNESS * identity) @ vector[..., None]).squeeze(-1)
        return rotation @ _hat(turned)


def nearest_rotmat_recorded(matrix: Tensor) -> Tensor:
    """As `refit_ros.core.rotations.nearest_rotmat` for means of rotations (..., 3, 3), in plain products."""
    return _Nearest.apply(matrix)


def _davenport(m: Tensor) -> Tensor:
    """(..., 4, 4) positive semidefinite for a mean of rotations; x, y, z, w."""
    trace = m.diagonal(dim1=-2, dim2=-1).sum(-1)
    vector = torch.stack((m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]), -1)
    identity = torch.eye(3, device=m.device, dtype=m.dtype)
    block = m + m.transpose(-1, -2) + (1 - trace)[..., None, None] * identity
    top = torch.cat((block, vector[..., :, None]), -1)
    bottom = torch.cat((vector[..., None, :], (1 + trace)[..., None, None]), -1)
    return torch.cat((top, bottom), -2) / 4


def _largest_eigenvector(matrix: Tensor) -> Tensor:
    for _ in range(SQUARINGS):
        matrix = matrix @ matrix
        matrix = matrix / matrix.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-12)[..., None, None]
    best = matrix.diagonal(dim1=-2, dim2=-1).argmax(-1)
    column = matrix.gather(-1, best[..., None, None].expand(*matrix.shape[:-1], 1)).squeeze(-1)
    return F.normalize(column, dim=-1)


def _inverse(k: Tensor) -> Tensor:
    """Of 3 x 3 symmetric matrices, by the adjugate."""
    first = torch.linalg.cross(k[..., 1], k[..., 2], dim=-1)
    second = torch.linalg.cross(k[..., 2], k[..., 0], dim=-1)
    third = torch.linalg.cross(k[..., 0], k[..., 1], dim=-1)
    determinant = (k[..., 0] * first).sum(-1)
    safe = torch.where(determinant.abs() < 1e-3, torch.full_like(determinant, 1e-3), determinant)
    return torch.stack((first, second, third), -2) / safe[..., None, None]


def _hat(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).reshape(*v.shape[:-1], 3, 3)

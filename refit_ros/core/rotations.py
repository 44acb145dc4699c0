"""Rotations: every conversion and mean of this project, torch, any leading dimensions.

Matrices act on column vectors. Quaternions are x, y, z, w (as in ROS). Angles are rad.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.core.precision import in_float32


def rotmat_from_6d(sixd: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3): a 3 x 2 matrix row by row, its columns orthonormalised by Gram-Schmidt.

    Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019.
    """
    columns = sixd.reshape(*sixd.shape[:-1], 3, 2)
    first = F.normalize(columns[..., 0], dim=-1)
    second = columns[..., 1] - (first * columns[..., 1]).sum(dim=-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    third = torch.linalg.cross(first, second, dim=-1)
    return torch.stack((first, second, third), dim=-1)


def sixd_from_rotmat(rotmat: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): the first two columns, row by row."""
    return rotmat[..., :2].reshape(*rotmat.shape[:-2], 6)


def rotmat_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """(..., 3) rad -> (..., 3, 3), Rodrigues' formula; the exponential map of SO(3), smooth at zero."""
    angle_squared = (axis_angle * axis_angle).sum(dim=-1, keepdim=True)
    small = angle_squared < 1e-8
    angle = torch.where(small, torch.ones_like(angle_squared), angle_squared).sqrt()
    first = torch.where(small, 1 - angle_squared / 6, torch.sin(angle) / angle)[..., None]
    second = torch.where(small, 0.5 - angle_squared / 24, (1 - torch.cos(angle)) / (angle * angle))[..., None]
    cross = skew(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + first * cross + second * (cross @ cross)


def skew(vector: Tensor) -> Tensor:
    """(..., 3) -> (..., 3, 3): the matrix whose product is the cross product with `vector`."""
    x, y, z = vector.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).reshape(*vector.shape[:-1], 3, 3)


def quaternion_from_rotmat(rotmat: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4) unit x, y, z, w with w >= 0.

    Of the four ways to divide, the one with the largest divisor (Shepperd, 1978), so that no angle is badly conditioned.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = rotmat.flatten(-2).unbind(dim=-1)
    candidates = torch.stack(
        (
            torch.stack((1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12), dim=-1),
            torch.stack((m01 + m10, 1 - m00 + m11 - m22, m12 + m21, m02 - m20), dim=-1),
            torch.stack((m02 + m20, m12 + m21, 1 - m00 - m11 + m22, m10 - m01), dim=-1),
            torch.stack((m21 - m12, m02 - m20, m10 - m01, 1 + m00 + m11 + m22), dim=-1),
        ),
        dim=-2,
    )
    best = torch.diagonal(candidates, dim1=-2, dim2=-1).argmax(dim=-1)
    index = best[..., None, None].expand(*best.shape, 1, 4)
    quaternion = F.normalize(candidates.gather(-2, index).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def rotmat_from_quaternion(quaternion: Tensor) -> Tensor:
    """(..., 4) x, y, z, w of any length but zero -> (..., 3, 3)."""
    x, y, z, w = F.normalize(quaternion, dim=-1).unbind(dim=-1)
    return torch.stack(
        (
            1 - 2 * (y * y + z * z),
            2 * (x * y - z * w),
            2 * (x * z + y * w),
            2 * (x * y + z * w),
            1 - 2 * (x * x + z * z),
            2 * (y * z - x * w),
            2 * (x * z - y * w),
            2 * (y * z + x * w),
            1 - 2 * (x * x + y * y),
        ),
        dim=-1,
    ).reshape(*quaternion.shape[:-1], 3, 3)


def axis_angle_from_rotmat(rotmat: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3) rad, angle in [0, pi]; the logarithm of SO(3), finite at 0 and at pi."""
    quaternion = quaternion_from_rotmat(rotmat)
    vector, w = quaternion[..., :3], quaternion[..., 3:]
    squared = (vector * vector).sum(dim=-1, keepdim=True)
    small = squared < 1e-12
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    factor = torch.where(small, torch.full_like(squared, 2.0), 2 * torch.atan2(sine, w) / sine)
    return vector * factor


so3_exp = rotmat_from_axis_angle
so3_log = axis_angle_from_rotmat


def geodesic_angle(first: Tensor, second: Tensor) -> Tensor:
    """Angle (rad, 0 .. pi) of the rotation from `first` to `second`, both (..., 3, 3) -> (...)."""
    relative = first.transpose(-1, -2) @ second
    sine = _antisymmetric_part(relative).norm(dim=-1)
    trace = relative.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.atan2(sine, trace - 1)


class _Nearest(torch.autograd.Function):
    """Projection on SO(3) with the gradient written out.

    Through U and V apart the gradient would divide by differences of singular values, which are all equal where
    the views agree. With P = R^T M: dR = R [w], (tr(P) 1 - P) w = vee(R^T dM - dM^T R). The system's determinant is
    8 where views agree and 0 where they contradict each other; kept above 0.1, so that one such person does not rule
    a whole training step.
    """

    @staticmethod
    def forward(ctx, matrix: Tensor) -> Tensor:
        rotmat = _nearest(matrix)
        ctx.save_for_backward(matrix, rotmat)
        return rotmat

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        matrix, rotmat = ctx.saved_tensors
        stretch = rotmat.transpose(-1, -2) @ matrix
        trace = stretch.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
        system = trace * torch.eye(3, dtype=matrix.dtype, device=matrix.device) - stretch
        rows = system.unbind(dim=-2)
        adjugate = torch.stack([torch.linalg.cross(rows[i], rows[j], dim=-1) for i, j in ((1, 2), (2, 0), (0, 1))], dim=-1)
        determinant = (rows[0] * adjugate[..., 0]).sum(dim=-1)
        inner = rotmat.transpose(-1, -2) @ gradient
        turn = (adjugate @ _antisymmetric_part(inner)[..., None]).squeeze(-1) / determinant.clamp_min(0.1)[..., None]
        return rotmat @ skew(turn)


def _antisymmetric_part(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3): v with matrix - matrix^T = skew(v)."""
    return torch.stack(
        (
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ),
        dim=-1,
    )


def _nearest(matrix: Tensor) -> Tensor:
    return _nearest_by_eigenvector(matrix) if matrix.is_cuda else _nearest_by_svd(matrix)


def _nearest_by_svd(matrix: Tensor) -> Tensor:
    """The sign of the last direction is chosen for a determinant of +1 (Kabsch, 1976; Umeyama, 1991)."""
    u, _, vh = torch.linalg.svd(matrix)
    rotmat = u @ vh
    flipped = torch.cat((u[..., :2], -u[..., 2:]), dim=-1) @ vh
    return torch.where(torch.linalg.det(rotmat)[..., None, None] < 0, flipped, rotmat)


def _nearest_by_eigenvector(matrix: Tensor, squarings: int = 16) -> Tensor:
    """The same by Davenport's q-method: the unit quaternion that maximises tr(R^T M) is an eigenvector.

    The power method, by squaring: small products only. A GPU's SVD would wait for the processor at each call
    and could not be recorded in a CUDA graph.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(dim=-1)
    form = torch.stack(
        (  # of the quaternion x, y, z, w
            m00 - m11 - m22,
            m01 + m10,
            m02 + m20,
            m21 - m12,
            m01 + m10,
            m11 - m00 - m22,
            m12 + m21,
            m02 - m20,
            m02 + m20,
            m12 + m21,
            m22 - m00 - m11,
            m10 - m01,
            m21 - m12,
            m02 - m20,
            m10 - m01,
            m00 + m11 + m22,
        ),
        dim=-1,
    ).unflatten(-1, (4, 4))
    shift = form.abs().sum(dim=-1).amax(dim=-1)[..., None, None] + 1e-12  # makes every eigenvalue positive
    power = form + shift * torch.eye(4, dtype=form.dtype, device=form.device)
    for _ in range(squarings):
        power = power / power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
        power = power @ power
    longest = power.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)[..., None, None].expand(*power.shape[:-2], 1, 4)
    return rotmat_from_quaternion(power.gather(-2, longest).squeeze(-2))


@in_float32
def nearest_rotmat(matrix: Tensor) -> Tensor:
    """(..., 3, 3) any matrix -> (..., 3, 3) the rotation nearest to it (Frobenius norm), determinant +1."""
    return _Nearest.apply(matrix) if torch.is_grad_enabled() else _nearest(matrix)


@in_float32
def mean_rotmat(rotmats: Tensor, group: Tensor | None = None, groups: int = 1) -> Tensor:
    """Mean rotation of each group on SO(3): arithmetic mean of the matrices, then `nearest_rotmat`.

    rotmats (N, ..., 3, 3); group (N,) int64 in 0 .. groups - 1 (None: all in one) -> (groups, ..., 3, 3).
    An empty group gives some rotation, never NaN.
    """
    if group is None:
        group = torch.zeros(rotmats.shape[0], dtype=torch.int64, device=rotmats.device)
    total = rotmats.new_zeros(groups, *rotmats.shape[1:]).index_add(0, group, rotmats)
    count = rotmats.new_zeros(groups).index_add(0, group, torch.ones_like(group, dtype=rotmats.dtype))
    return nearest_rotmat(total / count.clamp_min(1).reshape(-1, *[1] * (rotmats.dim() - 1)))

"""Conversions there and back, means that stay rotations: for any batch, and for three of them too."""

from __future__ import annotations

import math

import pytest
import torch

from refit_ros.core import rotations as so3


def random_rotmats(*shape: int, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.randn(*shape, 4, generator=generator, dtype=dtype)
    return so3.rotmat_from_quaternion(quaternion)


def assert_rotations(rotmats: torch.Tensor) -> None:
    identity = torch.eye(3, dtype=rotmats.dtype).expand_as(rotmats)
    torch.testing.assert_close(rotmats @ rotmats.transpose(-1, -2), identity, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        torch.linalg.det(rotmats), torch.ones(rotmats.shape[:-2], dtype=rotmats.dtype), rtol=0, atol=1e-5
    )


SHAPES = [(1,), (2,), (3,), (4,), (5,), (3, 3), (2, 24), ()]


@pytest.mark.parametrize("shape", SHAPES)
def test_6d_there_and_back(shape):
    rotmats = random_rotmats(*shape)
    back = so3.rotmat_from_6d(so3.sixd_from_rotmat(rotmats))
    torch.testing.assert_close(back, rotmats, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_axis_angle_there_and_back(shape):
    rotmats = random_rotmats(*shape)
    axis_angle = so3.axis_angle_from_rotmat(rotmats)
    assert (axis_angle.norm(dim=-1) <= math.pi + 1e-5).all()
    torch.testing.assert_close(so3.rotmat_from_axis_angle(axis_angle), rotmats, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_quaternion_there_and_back(shape):
    rotmats = random_rotmats(*shape)
    quaternion = so3.quaternion_from_rotmat(rotmats)
    assert (quaternion[..., 3] >= 0).all()
    torch.testing.assert_close(so3.rotmat_from_quaternion(quaternion), rotmats, rtol=0, atol=1e-6)


def test_6d_is_a_3_by_2_matrix_row_by_row():
    rotmat = so3.rotmat_from_6d(torch.tensor([0.0, -2.0, 3.0, 0.5, 0.0, 0.0]))
    torch.testing.assert_close(rotmat, torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-4, 0.5, math.pi - 1e-4, math.pi])
@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.6, 0.0, 0.8), (0.577350, 0.577350, 0.577350)])
def test_logarithm_at_every_angle(angle, axis):
    axis_angle = torch.tensor(axis) * angle
    rotmat = so3.so3_exp(axis_angle)
    assert_rotations(rotmat)
    torch.testing.assert_close(so3.so3_exp(so3.so3_log(rotmat)), rotmat, rtol=0, atol=2e-4)
    assert so3.so3_log(rotmat).norm().item() == pytest.approx(angle, abs=2e-4)
    assert so3.geodesic_angle(torch.eye(3), rotmat).item() == pytest.approx(angle, abs=2e-4)


def test_gradients_are_finite_at_the_identity():
    axis_angle = torch.zeros(3, requires_grad=True)
    so3.so3_exp(axis_angle).sum().backward()
    assert torch.isfinite(axis_angle.grad).all()
    rotmat = torch.eye(3).requires_grad_()
    so3.so3_log(rotmat).sum().backward()
    assert torch.isfinite(rotmat.grad).all()


def any_matrices() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(64, 3, 3, generator=generator)


def test_nearest_rotation_has_determinant_one_even_where_the_matrix_mirrors():
    matrices = any_matrices()
    assert (torch.linalg.det(matrices) < 0).any()
    assert_rotations(so3.nearest_rotmat(matrices))


def test_no_rotation_is_nearer():
    matrices = any_matrices()
    nearest = so3.nearest_rotmat(matrices)
    distance = (nearest - matrices).norm(dim=(1, 2))
    for rotmats in random_rotmats(200, seed=5)[:, None]:
        assert (distance <= (rotmats - matrices).norm(dim=(1, 2)) + 1e-5).all()
    for turn in torch.randn(20, 3) * 0.05:
        assert (distance <= (nearest @ so3.so3_exp(turn) - matrices).norm(dim=(1, 2)) + 1e-5).all()


def test_the_way_for_gpus_finds_the_same():
    matrices = torch.cat((any_matrices(), random_rotmats(8), random_rotmats(8) + 0.05 * torch.randn(8, 3, 3)))
    singular = torch.linalg.svdvals(matrices)
    clear = singular[:, 1] + torch.linalg.det(matrices).sign() * singular[:, 2] > 0.05
    torch.testing.assert_close(
        so3._nearest_by_eigenvector(matrices)[clear], so3.nearest_rotmat(matrices)[clear], rtol=0, atol=2e-5
    )
    assert_rotations(so3._nearest_by_eigenvector(torch.cat((matrices, torch.zeros(1, 3, 3)))))


def test_gradient_of_the_nearest_rotation():
    matrices = random_rotmats(4, dtype=torch.float64) + 0.3 * torch.randn(4, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(so3._Nearest.apply, (matrices.requires_grad_(),), atol=1e-5)


def test_gradient_is_finite_where_all_views_agree():
    rotmats = random_rotmats(1).repeat(4, 1, 1).requires_grad_()
    so3.mean_rotmat(rotmats)[0, 0, 1].backward()
    assert torch.isfinite(rotmats.grad).all() and rotmats.grad.abs().sum() > 0


@pytest.mark.parametrize("count", range(1, 9))
def test_mean_of_turns_about_one_axis_is_the_mean_turn(count):
    angles = torch.linspace(-0.8, 0.8, count) + 0.3 if count > 1 else torch.tensor([0.3])
    rotmats = so3.so3_exp(angles[:, None] * torch.tensor([0.0, 0.6, 0.8]))
    mean = so3.mean_rotmat(rotmats)
    assert_rotations(mean)
    torch.testing.assert_close(mean[0], so3.so3_exp(0.3 * torch.tensor([0.0, 0.6, 0.8])), rtol=0, atol=1e-5)


def test_mean_of_each_group():
    rotmats = random_rotmats(6, 2)
    group = torch.tensor([2, 0, 2, 0, 0, 2])
    means = so3.mean_rotmat(rotmats, group, 4)
    assert means.shape == (4, 2, 3, 3)
    torch.testing.assert_close(means[0], so3.mean_rotmat(rotmats[[1, 3, 4]])[0])
    torch.testing.assert_close(means[2], so3.mean_rotmat(rotmats[[0, 2, 5]])[0])
    assert torch.isfinite(means).all()

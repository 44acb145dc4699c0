import pytest
import torch

from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.evaluation import metrics


@pytest.fixture
def joints():
    return torch.randn(4, 24, 3, generator=torch.Generator().manual_seed(0))


def test_moving_the_person_is_no_joint_error(joints):
    assert metrics.joint_error(joints + torch.tensor([1.0, 2, 3]), joints).max() < 1e-5


def test_a_hand_off_by_24_cm_is_one_cm_on_average(joints):
    off = joints.clone()
    off[:, 23, 1] += 0.24
    assert metrics.joint_error(off, joints) == pytest.approx([0.01] * 4, abs=1e-6)


def test_alignment_undoes_scale_turn_and_shift(joints):
    turn = rotmat_from_axis_angle(torch.tensor([0.3, -2.0, 1.0]))
    moved = 1.7 * joints @ turn.T + torch.tensor([3.0, 0, -1])
    assert metrics.aligned_joint_error(moved, joints).max() < 1e-4
    assert metrics.joint_error(moved, joints).min() > 0.5


def test_alignment_does_not_mirror(joints):
    mirrored = joints * torch.tensor([-1.0, 1, 1])
    assert metrics.aligned_joint_error(mirrored, joints).min() > 0.1


@pytest.mark.parametrize("degrees, expected", [(0, False), (80, False), (100, True), (180, True)])
def test_a_flip_is_more_than_90_degrees(degrees, expected):
    truth = torch.eye(3).repeat(1, 24, 1, 1)
    turned = truth.clone()
    turned[:, 0] = rotmat_from_axis_angle(torch.tensor([0, torch.pi * degrees / 180, 0]))
    assert metrics.flipped(turned, truth).tolist() == [expected]


def test_seventeen_joints_become_fourteen_around_the_pelvis():
    vertices = torch.randn(2, 40, 3)
    regressor = torch.eye(17, 40)
    joints = metrics.fourteen_joints(regressor, vertices)
    assert torch.equal(joints[:, 0], vertices[:, 6] - vertices[:, 0])
    assert metrics.fourteen_joints(torch.eye(14, 40), vertices)[:, 2:4].sum(1).abs().max() < 1e-5

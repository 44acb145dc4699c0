"""The pose prior: seeded, within what joints allow, hard to guess; and sequences whose feet stand still."""

import math

import pytest
import torch

from refit_ros.core.body import Body
from refit_ros.core.body_files import read_body
from refit_ros.core.joints import JOINT_INDEX, MIRRORED
from refit_ros.core.rotations import axis_angle_from_rotmat, geodesic_angle, nearest_rotmat, rotmat_from_axis_angle
from refit_ros.synthetic.anatomy import rotmats_from_angles, zero_angles
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.motion import KINDS, RATE_HZ, Motion, Path, circle, sample_poses


@pytest.fixture(scope="module")
def body():
    return Body(read_body()).eval()


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_poses_are_seeded_and_splits_differ():
    first, again = (sample_poses(generator(3), 50, "train") for _ in range(2))
    assert torch.equal(first, again) and first.shape == (50, 24, 3) and first.isfinite().all()
    assert not torch.equal(first, sample_poses(generator(4), 50, "train"))
    assert not torch.equal(first, sample_poses(generator(3), 50, "test"))


def test_unknown_split_and_motion_are_named(body):
    with pytest.raises(ValueError, match="'half' is unknown"):
        sample_poses(generator(0), 1, "half")
    with pytest.raises(ValueError, match="'fly' is unknown"):
        Motion(body, torch.zeros(10), "fly")


def test_rest_angles_are_the_t_pose():
    assert torch.equal(rotmats_from_angles(zero_angles(2)), torch.eye(3).expand(2, 24, 3, 3))


def test_equal_angles_are_symmetric_poses(body):
    angles = zero_angles(1)
    for name in ("hip_flex", "hip_out", "hip_turn", "knee", "arm_down", "arm_flex", "arm_turn", "elbow", "forearm", "wrist"):
        setattr(angles, name, torch.full((1, 2), 0.4))
    joints = body.joints(torch.zeros(1, 10), rotmats_from_angles(angles))[0]
    mirrored = joints[list(MIRRORED)] * torch.tensor([-1.0, 1, 1])
    assert (mirrored - joints).abs().max() < 1e-3


def test_angles_mean_what_they_say(body):
    def joints(**values):
        angles = zero_angles(1)
        for name, value in values.items():
            setattr(angles, name, torch.full_like(getattr(angles, name), math.radians(value)))
        return body.joints(torch.zeros(1, 10), rotmats_from_angles(angles))[0]

    rest, at = joints(), JOINT_INDEX
    assert joints(arm_down=80)[at["left_wrist"], 1] < rest[at["left_wrist"], 1] - 0.4
    assert joints(arm_down=80, arm_flex=90)[at["left_wrist"], 2] > 0.4
    assert joints(elbow=90)[at["right_wrist"], 2] > 0.15
    assert joints(hip_flex=90)[at["left_knee"], 2] > 0.3
    assert joints(knee=90)[at["left_ankle"], 2] < -0.3
    assert joints(hip_out=30)[at["right_ankle"], 0] < rest[at["right_ankle"], 0] - 0.2
    assert joints(bend=60)[at["head"], 2] > 0.2


def test_knees_and_elbows_bend_one_way():
    poses = rotmat_from_axis_angle(sample_poses(generator(1), 2000, "test"))
    knee = axis_angle_from_rotmat(poses[:, [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]])
    assert knee[..., 0].min() > -0.06 and knee[..., 0].max() < 2.6
    left = axis_angle_from_rotmat(poses[:, JOINT_INDEX["left_elbow"]])
    assert (left[:, 1] <= 1e-4).all()


def test_guessing_the_mean_pose_is_wrong_by_150_mm(body):
    train, test = (rotmat_from_axis_angle(sample_poses(generator(5), 3000, split)) for split in ("train", "test"))
    guess = nearest_rotmat(train.mean(0)).repeat(len(test), 1, 1, 1)
    guess[:, 0] = test[:, 0]
    betas = torch.zeros(len(test), 10)
    truth, guessed = body.joints(betas, test), body.joints(betas, guess)
    error = ((truth - truth[:, :1]) - (guessed - guessed[:, :1])).norm(dim=-1).mean()
    assert 0.15 < float(error) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_motion_is_smooth_and_stays_on_the_floor(body, kind):
    motion = Motion(body, torch.full((10,), 0.5), kind, seed=2, duration_s=6)
    times = torch.arange(0, 5, 1 / 30)
    frames = motion.at(times)
    vertices = body.vertices(motion.betas.expand(len(times), -1), frames.rotmats, frames.transl)
    assert vertices[..., 2].amin(1).abs().max() < 0.05
    joints = body.joints(motion.betas.expand(len(times), -1), frames.rotmats, frames.transl)
    assert (joints[1:] - joints[:-1]).norm(dim=-1).max() * 30 < 6.5  # m/s
    assert geodesic_angle(frames.rotmats[1:], frames.rotmats[:-1]).max() * 30 < 12  # rad/s


def test_standing_feet_do_not_slide(body):
    motion = Motion(body, torch.zeros(10), "walk", circle(1.2, 1.1), duration_s=12)
    times = torch.arange(0, 10, 1 / 60)
    frames = motion.at(times)
    points = (motion._soles_at(frames.rotmats) + frames.transl[:, None]).unflatten(1, (2, -1))
    low = torch.softmax(-(points[1:, ..., 2] + points[:-1, ..., 2]) / 0.008, 2)[..., None]
    speed = ((points[1:] - points[:-1])[..., :2] * low).sum(2).norm(dim=-1) * 60
    stands = frames.contact[1:] & frames.contact[:-1]
    assert 0.3 < float(frames.contact.float().mean()) < 0.8
    assert float(speed[stands].mean()) < 0.06 and float(speed[~stands].mean()) > 0.5  # m/s
    # and yet the person gets on, forwards
    step = (frames.transl[1:] - frames.transl[:-1])[:, :2] * 60
    heading = motion.path.heading(times[1:])
    forward = step[:, 0] * torch.cos(heading) + step[:, 1] * torch.sin(heading)
    assert 0.8 < float(forward.mean()) < 1.4


def test_motion_faces_where_it_goes(body):
    frames = Motion(body, torch.zeros(10), "walk", Path((0, 0), 0.7, 1e6), duration_s=4).at([1.0])
    facing = frames.rotmats[0, 0] @ torch.tensor([0, 0, 1.0])
    assert abs(math.atan2(facing[1], facing[0]) - 0.7) < 0.2
    assert (frames.rotmats[0, 0] @ torch.tensor([0, 1.0, 0]))[2] > 0.9  # upright in a world with z up


def test_any_moment_can_be_asked(body):
    motion = Motion(body, torch.zeros(10), "walk", duration_s=4)
    one, many = motion.at([1.234]), motion.at([0.0, 1.234, 1e4, 7.3])
    assert torch.allclose(one.transl[0], many.transl[1], atol=1e-5)
    assert many.transl.isfinite().all()
    assert torch.allclose(motion.at([7.3]).transl, motion.at([0.7]).transl, atol=1e-4)  # there and back
    assert RATE_HZ >= 60


def test_dice_are_the_generators_own():
    dice = Dice(generator(0))
    share = torch.bincount(dice.choice((1, 2, 1), 8000), minlength=3) / 8000
    assert torch.allclose(share, torch.tensor([0.25, 0.5, 0.25]), atol=0.03)
    assert dice.normal(1000, sigma=2.0, most=1.5).abs().max() <= 3.0

"""Captured motion on this project's joints: bones point where the other skeleton's do, and what is drawn of it."""

import json

import numpy as np
import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX, PARENTS
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.synthetic import captured_motion
from refit_ros.synthetic.captured_motion import DIFFERENT_RAD, poses_from_cmu, poses_from_deepmimic, thinned
from refit_ros.synthetic.captured_poses import CapturedPoses, load_captured_poses
from refit_ros.synthetic.dice import Dice

# CMU's bones by their two ends among its 38 joints, how they lie in its rest pose, and which of ours they are.
CMU_BONES = {
    ("left_hip", "left_knee"): (2, (2.597, -7.136, 0)),
    ("left_knee", "left_ankle"): (3, (2.492, -6.848, 0)),
    ("right_hip", "right_knee"): (8, (-2.595, -7.130, 0)),
    ("left_shoulder", "left_elbow"): (21, (1, 0, 0)),
    ("left_elbow", "left_wrist"): (22, (1, 0, 0)),
    ("right_shoulder", "right_elbow"): (30, (-1, 0, 0)),
}
T_POSE = {"hip": (0, -1, 0), "knee": (0, -1, 0), "shoulder": (1, 0, 0), "elbow": (1, 0, 0)}


def in_the_world(rotmats):
    """(N, 24, 3, 3) relative to parents -> to the world."""
    world = []
    for index, parent in enumerate(PARENTS):
        world.append(rotmats[:, index] if parent < 0 else world[parent] @ rotmats[:, index])
    return torch.stack(world, 1)


def test_bones_point_where_cmus_do():
    numbers = torch.zeros(20, 117)
    numbers[:, 3:] = torch.randn(20, 114, generator=torch.Generator().manual_seed(1)) * 0.7
    world = in_the_world(poses_from_cmu(numbers))
    for row in range(20):
        turned = {}  # rows are multiplied from the left, as the authors of the layout do
        for joint, parent in enumerate(captured_motion._CMU_PARENTS):
            own = rotmat_from_axis_angle(numbers[row, 3 + 3 * joint : 6 + 3 * joint])
            turned[joint] = own if parent < 0 else own @ turned[parent]
        for (name, _), (joint, rest) in CMU_BONES.items():
            side, part = name.split("_")
            ours = torch.tensor(T_POSE[part]).float() * torch.tensor([-1.0 if side == "right" else 1.0, 1, 1])
            theirs = torch.tensor(rest).float() @ turned[joint]
            assert torch.allclose(world[row, JOINT_INDEX[name]] @ ours, theirs / theirs.norm(), atol=1e-3), name


def standing(**angles):
    """DeepMimic's frame of somebody who stands, arms hanging; angles of knees and elbows."""
    frame = torch.zeros(1, 44)
    for name, index in captured_motion._DEEPMIMIC.items():
        frame[0, index] = angles.get(name, 0.0) if name.endswith(("knee", "elbow")) else 1.0
    return frame


def test_deepmimics_arms_hang_and_its_joints_bend_the_right_way():
    body = load_body()

    def joints(frame):
        return body.joints(torch.zeros(1, 10), poses_from_deepmimic(frame))[0]

    def bone(places, first, second):
        return places[JOINT_INDEX[second]] - places[JOINT_INDEX[first]]

    still = joints(standing())
    for side in ("left", "right"):
        arm = bone(still, f"{side}_shoulder", f"{side}_wrist")
        assert arm[1] < -0.9 * arm.norm()
    moved = joints(standing(left_elbow=1.2, right_knee=-1.0))
    assert bone(moved, "left_elbow", "left_wrist")[2] > 0.1, "forwards"
    assert bone(moved, "right_knee", "right_ankle")[2] < -0.1, "backwards"
    assert torch.allclose(bone(moved, "right_elbow", "right_wrist"), bone(still, "right_elbow", "right_wrist"), atol=1e-6)


def test_frames_like_the_last_one_are_left_out():
    turns = torch.zeros(30, 24, 3)
    turns[:, 5, 0] = torch.arange(30) * DIFFERENT_RAD / 4
    kept = thinned(rotmat_from_axis_angle(turns))
    assert 6 <= len(kept) <= 8


@pytest.fixture(scope="module")
def poses_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    generator = np.random.default_rng(3)
    for clip in range(6):
        lines = np.cumsum(generator.normal(0, 0.2, (40, 117)), 0)
        np.savetxt(folder / f"walking_{clip}.txt", lines, delimiter=",")
    frames = standing(left_elbow=1.0).repeat(5, 1)
    frames[:, captured_motion._DEEPMIMIC["right_elbow"]] = torch.arange(5)
    (folder / "humanoid3d_wave.txt").write_text(json.dumps({"Loop": "none", "Frames": frames.tolist()}))
    folder.joinpath("cmu").mkdir()
    for path in folder.glob("walking_*"):
        path.rename(folder / "cmu" / path.name)
    captured_motion.main(["--cmu", str(folder / "cmu"), "--deepmimic", str(folder), "--output", str(folder / "poses.npz")])
    return folder / "poses.npz"


def test_every_fifth_clip_of_a_kind_is_held_out(poses_file):
    with np.load(poses_file) as arrays:
        clip, count = arrays["clip"], len(arrays["poses"])
    train, test = (load_captured_poses(str(poses_file), split) for split in ("train", "test"))
    assert len(test) == (clip == 4).sum() > 0 and len(train) + len(test) == count


def test_what_is_drawn_is_seeded_near_what_was_captured_and_half_of_it_mirrored(poses_file):
    poses = load_captured_poses(str(poses_file), "train")
    one, again = (poses.sample(Dice(torch.Generator().manual_seed(2)), 400) for _ in range(2))
    assert torch.equal(one, again) and one.shape == (400, 24, 3, 3)
    assert torch.allclose(one @ one.mT, torch.eye(3).expand_as(one), atol=1e-4)
    exact = poses.sample(Dice(torch.Generator().manual_seed(2)), 400, loose=False)
    among = (torch.cdist(exact.flatten(1), poses.rotmats.flatten(1)).amin(1) < 0.05).float().mean()
    assert 0.4 < among < 0.6, "the others are in the mirror"


def test_rare_kinds_come_oftener_than_their_poses():
    still, moved = torch.eye(3).expand(24, 3, 3), rotmat_from_axis_angle(torch.full((24, 3), 0.3))
    poses = CapturedPoses(torch.stack([still] * 99 + [moved]), torch.tensor([0] * 99 + [1]))
    drawn = poses.sample(Dice(torch.Generator().manual_seed(0)), 3000, loose=False)
    other = ((drawn - still).abs().amax((1, 2, 3)) > 0.1).float().mean()
    assert 0.06 < other < 0.13  # 1 / (1 + sqrt(99))


@pytest.mark.parametrize(
    "arrays, told",
    [
        ({"poses": np.zeros((3, 24, 3)), "clip": np.zeros(3)}, "'kind': missing"),
        ({"poses": np.zeros((3, 22, 3)), "clip": np.zeros(3), "kind": np.zeros(3)}, r"\(N, 24, 3\)"),
        ({"poses": np.full((3, 24, 3), np.nan), "clip": np.zeros(3), "kind": np.zeros(3)}, "not finite"),
        ({"poses": np.zeros((3, 24, 3)), "clip": np.zeros(3), "kind": np.array([{}] * 3)}, "not an array of numbers"),
    ],
)
def test_other_files_are_told(arrays, told, tmp_path):
    path = tmp_path / "poses.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=told) as caught:
        load_captured_poses(str(path), "train")
    assert "captured_motion" in str(caught.value)


@pytest.mark.parametrize("content", [b"root:x:0:0\n", b""])
def test_what_is_no_archive_is_told_with_its_name(content, tmp_path):
    (tmp_path / "passwd").write_bytes(content)
    with pytest.raises(InputError, match="passwd is no file of poses") as caught:
        load_captured_poses(str(tmp_path / "passwd"), "train")
    assert "captured_motion" in str(caught.value) and "download" not in str(caught.value)


def test_too_few_clips_for_a_test_are_told(tmp_path):
    np.savez(tmp_path / "poses.npz", poses=np.zeros((3, 24, 3)), clip=np.arange(3), kind=np.zeros(3))
    assert len(load_captured_poses(str(tmp_path / "poses.npz"), "train")) == 3
    with pytest.raises(InputError, match="every fifth"):
        load_captured_poses(str(tmp_path / "poses.npz"), "test")

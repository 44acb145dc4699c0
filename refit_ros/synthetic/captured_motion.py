"""Poses of people whose motion was captured, on this project's 24 joints: a file of them for `train --poses`.

    python -m refit_ros.synthetic.captured_motion --cmu FOLDER --deepmimic FOLDER --output poses.npz

--cmu: text files of CMU's motion capture database (mocap.cs.cmu.edu, free for all uses) in the layout of 3 numbers of the
root's place and 38 exponential maps a line. --deepmimic: `pybullet_data/data/motions` of PyPI's pybullet (zlib licence).
The file holds another's data in another form and is not part of this package.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.core.rotations import axis_angle_from_rotmat, geodesic_angle, rotmat_from_axis_angle, rotmat_from_quaternion

DIFFERENT_RAD = 0.25
"""A frame is kept if a joint has turned by so much since the last that was."""

# CMU's skeleton: of each joint its parent, and which one turns a joint of ours.
_CMU_PARENTS = [-1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0, 13, 14, 15, 16, 17, 18, 15]
_CMU_PARENTS += [20, 21, 22, 23, 24, 25, 23, 27, 15, 29, 30, 31, 32, 33, 34, 32, 36]
_CMU_JOINT = {
    "pelvis": 0,
    **{f"left_{name}": index for name, index in (("hip", 2), ("knee", 3), ("ankle", 4), ("foot", 5))},
    **{f"right_{name}": index for name, index in (("hip", 8), ("knee", 9), ("ankle", 10), ("foot", 11))},
    **{"spine1": 13, "spine2": 14, "spine3": 15, "neck": 17, "head": 18},
    **{f"left_{name}": index for name, index in (("collar", 20), ("shoulder", 21), ("elbow", 22), ("wrist", 24))},
    **{f"right_{name}": index for name, index in (("collar", 29), ("shoulder", 30), ("elbow", 31), ("wrist", 33))},
}
_CMU_REST = {"left_hip": (2.597, -7.136, 0), "left_knee": (2.492, -6.848, 0)}
_CMU_REST |= {"right_hip": (-2.595, -7.130, 0), "right_knee": (-2.468, -6.780, 0)}
"""Where a bone points in CMU's rest pose, where that is not where ours does: its legs are apart."""

_DEEPMIMIC = {  # first of a joint's numbers in a frame; a single one is an angle about z
    "pelvis": 4,
    "chest": 8,
    "neck": 12,
    **{
        f"right_{name}": index for name, index in (("hip", 16), ("knee", 20), ("ankle", 21), ("shoulder", 25), ("elbow", 29))
    },
    **{f"left_{name}": index for name, index in (("hip", 30), ("knee", 34), ("ankle", 35), ("shoulder", 39), ("elbow", 43))},
}


def poses_from_cmu(numbers: Tensor) -> Tensor:
    """(N, 117) -> rotation matrices (N, 24, 3, 3): the pelvis's to a world whose y is up, the others' to their parents."""
    maps = numbers[:, 3:].unflatten(1, (38, 3))
    turned = rotmat_from_axis_angle(maps).mT  # the file's act on rows
    world: list[Tensor] = []
    for index, parent in enumerate(_CMU_PARENTS):
        world.append(turned[:, index] if parent < 0 else world[parent] @ turned[:, index])
    down = torch.tensor([0.0, -1, 0])
    found = {}
    for name, index in _CMU_JOINT.items():
        rest = _CMU_REST.get(name)
        found[name] = world[index] if rest is None else world[index] @ _between(down, torch.tensor(rest).float())
    return _about_parents(found, len(numbers))


def poses_from_deepmimic(frames: Tensor) -> Tensor:
    """(N, 44) -> rotation matrices (N, 24, 3, 3), as `poses_from_cmu`. Its x is forward, its arms hang down at rest."""
    ours = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])

    def quaternion(name: str) -> Tensor:
        at = _DEEPMIMIC[name]
        return ours @ rotmat_from_quaternion(frames[:, [at + 1, at + 2, at + 3, at]]) @ ours.mT

    def about_z(name: str) -> Tensor:
        angle = frames[:, _DEEPMIMIC[name], None] * torch.tensor([0.0, 0, 1])
        return ours @ rotmat_from_axis_angle(angle) @ ours.mT

    world = {"pelvis": quaternion("pelvis")}
    world["spine2"] = world["pelvis"] @ quaternion("chest")
    world["neck"] = world["spine2"] @ quaternion("neck")
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hanging = _between(torch.tensor([sign, 0.0, 0]), torch.tensor([0.0, -1, 0]))
        world[f"{side}_hip"] = world["pelvis"] @ quaternion(f"{side}_hip")
        world[f"{side}_knee"] = world[f"{side}_hip"] @ about_z(f"{side}_knee")
        world[f"{side}_ankle"] = world[f"{side}_knee"] @ quaternion(f"{side}_ankle")
        arm = world["spine2"] @ quaternion(f"{side}_shoulder")
        world[f"{side}_shoulder"] = arm @ hanging
        world[f"{side}_elbow"] = arm @ about_z(f"{side}_elbow") @ hanging
    return _about_parents(world, len(frames))


def _between(first: Tensor, second: Tensor) -> Tensor:
    """The smallest rotation (3, 3) that takes one direction to another, which is not its opposite."""
    first, second = F.normalize(first, dim=0), F.normalize(second, dim=0)
    axis = torch.linalg.cross(first, second)
    angle = torch.atan2(axis.norm(), first @ second)
    return rotmat_from_axis_angle(F.normalize(axis, dim=0) * angle)


def _about_parents(world: dict[str, Tensor], count: int) -> Tensor:
    """(N, 24, 3, 3) from rotations to the world; a joint that is not named goes with its parent."""
    complete: list[Tensor] = []
    result = torch.eye(3).repeat(count, len(JOINT_NAMES), 1, 1)
    for index, (name, parent) in enumerate(zip(JOINT_NAMES, PARENTS)):
        if parent < 0:
            complete.append(world[name])
            result[:, index] = world[name]
            continue
        complete.append(world.get(name, complete[parent]))
        result[:, index] = complete[parent].mT @ complete[index]
    return result


def thinned(rotmats: Tensor) -> Tensor:
    """Those of (N, 24, 3, 3) frames in which some joint has turned by DIFFERENT_RAD since the last one that is kept."""
    kept = [0]
    for index in range(1, len(rotmats)):
        if float(geodesic_angle(rotmats[index], rotmats[kept[-1]]).max()) > DIFFERENT_RAD:
            kept.append(index)
    return rotmats[kept]


def _read_cmu(path: Path) -> Tensor:
    return torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.float32, skiprows=1))  # the first line is the rest pose


def _read_deepmimic(path: Path) -> Tensor:
    return torch.tensor(json.loads(path.read_text())["Frames"])


def _clips(folder: str | None, pattern: str, read: Callable, poses: Callable) -> list[tuple[str, Tensor]]:
    paths = sorted(Path(folder).rglob(pattern)) if folder else []
    return [(path.stem, thinned(poses(read(path)))) for path in paths]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmu", metavar="FOLDER")
    parser.add_argument("--deepmimic", metavar="FOLDER")
    parser.add_argument("--output", required=True, metavar="FILE")
    args = parser.parse_args(arguments)
    clips = _clips(args.cmu, "*.txt", _read_cmu, poses_from_cmu)
    clips += _clips(args.deepmimic, "humanoid3d_*.txt", _read_deepmimic, poses_from_deepmimic)
    if not clips:
        parser.error("no motion was found: name the folders with --cmu and --deepmimic")
    poses = axis_angle_from_rotmat(torch.cat([rotmats for _, rotmats in clips]))
    clip = np.repeat(np.arange(len(clips)), [len(rotmats) for _, rotmats in clips])
    names = [re.sub(r"_?\d*$", "", name) for name, _ in clips]  # walking_3 is of the kind walking
    kind = np.array([sorted(set(names)).index(name) for name in names])[clip]
    content = {"poses": poses.numpy().astype(np.float16), "clip": clip.astype(np.int16), "kind": kind.astype(np.int16)}
    np.savez_compressed(args.output, **content)
    print(f"{len(poses)} poses of {len(clips)} clips in {args.output}")


if __name__ == "__main__":
    main()

"""Poses drawn from captured ones: mirrored, a little loosened, with the arms of another one now and then."""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.core.errors import InputError
from refit_ros.core.flip import mirrored_rotmats
from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES
from refit_ros.core.plain_arrays import read_npz
from refit_ros.core.plain_files import open_regular
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.synthetic.dice import Dice

HELD_OUT = 5  # every fifth clip of a kind is of the test split
_MAKE = "python -m refit_ros.synthetic.captured_motion writes one"
_OTHER_ARMS = 0.25  # share of the people whose arms are of another pose
_LOOSE_RAD = 0.10  # largest sigma by which every joint is turned besides
_HEAD_RAD = 0.25  # sigma of the head's further turn: who is captured looks ahead mostly
_ARMS = [
    JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("collar", "shoulder", "elbow", "wrist", "hand")
]


class CapturedPoses:
    """The poses of one split. A kind of motion is as frequent as the square root of how many poses it has."""

    def __init__(self, rotmats: Tensor, kind: Tensor) -> None:
        """rotmats (N, 24, 3, 3), the pelvis's to a world whose y is up; kind (N,) int64: what is done."""
        self.rotmats = rotmats
        self._share = 1 / torch.bincount(kind).float().sqrt()[kind]

    def __len__(self) -> int:
        return len(self.rotmats)

    def sample(self, dice: Dice, count: int, loose: bool = True) -> Tensor:
        """(count, 24, 3, 3) as `rotmats`, half of them mirrored. loose: varied besides, as training wants them."""
        rotmats = self.rotmats[self._draw(dice, count)]
        if loose:
            others = self.rotmats[self._draw(dice, count)]
            exchanged = dice.chance(_OTHER_ARMS, count)[:, None, None, None]
            rotmats[:, _ARMS] = torch.where(exchanged, others[:, _ARMS], rotmats[:, _ARMS])
            sigma = dice.uniform(0, _LOOSE_RAD, count, 1, 1).expand(-1, len(JOINT_NAMES), 1).clone()
            sigma[:, JOINT_INDEX["head"]] += _HEAD_RAD
            rotmats = rotmats @ rotmat_from_axis_angle(dice.normal(count, len(JOINT_NAMES), 3) * sigma)
        mirrored = dice.chance(0.5, count)[:, None, None, None]
        return torch.where(mirrored, mirrored_rotmats(rotmats), rotmats)

    def _draw(self, dice: Dice, count: int) -> Tensor:
        return torch.multinomial(self._share, count, replacement=True, generator=dice.generator)


def load_captured_poses(path: str, split: str) -> CapturedPoses:
    """Of the file that `refit_ros.synthetic.captured_motion` writes, the clips of one split ("train" or "test").

    Raises InputError where there is no such file, or where it holds something else.
    """
    with open_regular(path) as file:
        try:
            arrays = read_npz(file, ("poses", "clip", "kind"))
        except InputError as error:
            raise InputError(f"{path} is no file of poses: {_MAKE}") from error
    for name in ("poses", "clip", "kind"):
        if isinstance(arrays.get(name), ValueError | None):
            raise InputError(f"{path} is no file of poses ('{name}': {arrays.get(name) or 'missing'}): {_MAKE}")
    poses, clip, kind = (torch.from_numpy(arrays[name].astype(float)) for name in ("poses", "clip", "kind"))
    count = len(poses)
    if poses.shape != (count, len(JOINT_NAMES), 3) or clip.shape != (count,) or kind.shape != (count,) or not count:
        raise InputError(f"{path} is no file of poses: 'poses' is (N, 24, 3), 'clip' and 'kind' are (N,); {_MAKE}")
    if not torch.isfinite(poses).all():
        raise InputError(f"{path} holds poses that are not finite: {_MAKE}")
    kept = _held_out(clip.long(), kind.long()) == (split == "test")
    if not kept.any():
        raise InputError(f"{path} has too few clips for a test split: every fifth of a kind is held out; {_MAKE}")
    return CapturedPoses(rotmat_from_axis_angle(poses[kept].float()), kind[kept].long())


def _held_out(clip: Tensor, kind: Tensor) -> Tensor:
    """(N,) bool: whose clip is every fifth one of its kind."""
    held_out = torch.zeros(len(clip), dtype=torch.bool)
    for each in kind.unique():
        for chosen in clip[kind == each].unique()[HELD_OUT - 1 :: HELD_OUT]:
            held_out |= (clip == chosen) & (kind == each)
    return held_out

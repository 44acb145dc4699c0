"""Keypoint evidence of drawn people, as numbers alone: what a landmark network would say of them, with its faults.

No image is drawn. Landmarks of posed bodies are projected through random cameras and get the faults of landmark
networks: noise in proportion to the person's size, another idea of where a landmark lies on the body, guesses for what
is hidden or outside the image, sides taken for each other, and a place in 3D that is squeezed in depth, tilted and scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.camera import project, weak_perspective_from_transl
from refit_ros.core.keypoints import (
    KeypointEvidence,
)
from refit_ros.core.landmark_body import LandmarkBody
from refit_ros.core.landmarks import LANDMARK_NAMES
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Crops, Estimate
from refit_ros.synthetic.anatomy import rotmats_from_angles, turn
from refit_ros.synthetic.cameras import Shots, sample_shots
from refit_ros.synthetic.captured_poses import CapturedPoses
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.landmark_faults import OFF_BODY_M, Faults
from refit_ros.synthetic.pose_prior import Prior, sample_legs, sample_pose_rotmats, with_arms

MOST_BETA = 2.5
_GROWN_UP_M = 1.5
_ADULTS = 0.65  # so many in training are taken of them alone: together nine of ten
_NEAR = 0.3  # sigma of each beta around one of a body's people
_CAPTURED = 0.45  # share of the people in training whose poses are captured ones, where there are such
_ANYHOW = 0.04  # share whose pelvis is turned anyhow
_HELD_OUT = 5  # every fifth of a body's people is of the test split
_SEED = {"train": 2_000_003, "test": 8_368_787}

WIDE = Prior(
    (0.17, 0.17, 0.14, 0.13, 0.12, 0.12, 0.15),
    (0.20, 0.14, 0.18, 0.15, 0.10, 0.07, 0.05, 0.11),
    1.3,
    (0.4, 1.6),
    (30, 130),
    (55, 115),
)
"""Training poses: the kinds of `pose_prior`, the rarer ones oftener and all of them wider."""


@dataclass(frozen=True)
class EvidenceSamples:
    """B crops, their evidence and the truth. Views of one person stand together."""

    crops: Crops
    evidence: KeypointEvidence
    target: Estimate  # in each crop's camera frame
    joints_m: Tensor  # (B, 24, 3) camera frame
    joints_px: Tensor  # (B, 24, 2) in the full image
    person: Tensor  # (B,) int64
    camera_from_world: Tensor  # (B, 3, 3)


class EvidenceSource:
    """An endless, seeded stream of evidence; split "test" draws other people from other, narrower poses."""

    def __init__(self, body: Body, split: str, seed: int, captured: CapturedPoses | None = None) -> None:
        """captured: poses of which a share of the people are, in training; all of them where they are held out."""
        if split not in _SEED:
            raise ValueError(f"split '{split}' is unknown; there are {', '.join(_SEED)}")
        self.body = LandmarkBody(body).eval()
        self.split, self._captured = split, captured
        self._people = _people_of(body, split)
        # The body's people are as many of each age as its shape wants; who stands before a robot is mostly grown up, and one
        # view tells nobody's height.
        self._adults = None
        if self._people is not None and split == "train":
            self._adults = torch.nonzero(body.height_m(self._people) > _GROWN_UP_M).flatten()
        self.generator = torch.Generator().manual_seed(_SEED[split] * 31 + seed)
        self.dice = Dice(self.generator)

    @torch.no_grad()
    def batch(self, count: int, views: int = 1) -> EvidenceSamples:
        """`count` people seen by `views` cameras each: count * views crops."""
        if count < 1 or not 1 <= views <= 8:
            raise ValueError(f"a batch needs people and 1 to 8 views, not {count} people and {views} views")
        dice = self.dice
        betas = self._shapes(count)
        rotmats = self._poses(count)
        root = self.body.rest_joints(betas)[:, 0]
        landmarks, joints = self.body(betas, rotmats)
        person = torch.arange(count).repeat_interleave(views)
        shots = self._shots(count, views)
        turned = shots.camera_from_world
        joints_m = ((joints - root[:, None])[person][:, :, None] * turned[:, None]).sum(-1) + shots.pelvis_m[:, None]
        rotmats = rotmats[person]
        rotmats[:, 0] = (turned[..., None] * rotmats[:, None, 0]).sum(2)
        transl = shots.pelvis_m - root[person]
        # What a source calls a hip is not this body's: the same difference in all views of a person.
        off = dice.normal(count, len(LANDMARK_NAMES), 3, most=2.5) * OFF_BODY_M[:, None]
        landmarks_m = ((landmarks - root[:, None])[person][:, :, None] * turned[:, None]).sum(-1) + shots.pelvis_m[:, None]
        landmarks_m = landmarks_m + off[person] @ rotmats[:, 0].mT
        crops, evidence = Faults(dice, landmarks_m, shots, views).evidence()
        target = Estimate(rotmats, betas[person], weak_perspective_from_transl(transl, crops), transl)
        joints_px = project(joints_m, shots.focal_px, shots.principal_px)
        return EvidenceSamples(crops, evidence, target, joints_m, joints_px, person, turned)

    def _shapes(self, count: int) -> Tensor:
        """betas (N, 10): near one of the body's people, where it has some, else of variance 1."""
        dice = self.dice
        if self._people is None:
            return dice.normal(count, 10, most=MOST_BETA)
        chosen = dice.below(len(self._people), count)
        if self._adults is not None:
            adults = self._adults[dice.below(len(self._adults), count)]
            chosen = torch.where(dice.chance(_ADULTS, count), adults, chosen)
        return self._people[chosen] + dice.normal(count, 10, sigma=_NEAR)

    def _shots(self, count: int, views: int) -> Shots:
        """As `sample_shots`, which puts cameras all round; of two or three, neighbours are kept: rigs are so."""
        if views not in (2, 3):
            return sample_shots(self.dice, count, views)
        rig = sample_shots(self.dice, count, views + 2)
        kept = (torch.arange(count)[:, None] * (views + 2) + torch.arange(views)).flatten()
        return Shots(**{name: value[kept] for name, value in vars(rig).items()})

    def _poses(self, count: int) -> Tensor:
        """(N, 24, 3, 3), the root's to the world (z up)."""
        dice = self.dice
        rotmats = self._training_poses(count) if self.split == "train" else self._held_out_poses(count)
        upright = turn("x", torch.full((count,), pi / 2))
        rotmats[:, 0] = turn("z", dice.uniform(0, 2 * pi, count)) @ upright @ rotmats[:, 0]
        return rotmats

    def _held_out_poses(self, count: int) -> Tensor:
        if self._captured is not None:
            return self._captured.sample(self.dice, count, loose=False)
        return sample_pose_rotmats(self.dice, count, "test")

    def _training_poses(self, count: int) -> Tensor:
        dice = self.dice
        rotmats = rotmats_from_angles(with_arms(dice, sample_legs(dice, count, WIDE), WIDE))
        loose = dice.uniform(0, 0.25, count, 1, 1) * dice.chance(0.7, count, 1, 1)
        rotmats = rotmats @ rotmat_from_axis_angle(dice.normal(count, 24, 3) * loose)
        if self._captured is not None:
            chosen = dice.chance(_CAPTURED, count)[:, None, None, None]
            rotmats = torch.where(chosen, self._captured.sample(dice, count), rotmats)
        tilt = dice.normal(count, 3) * torch.where(dice.chance(0.12, count, 1), 1.0, 0.06)  # lying, bent far over
        anyhow = dice.chance(_ANYHOW, count, 1)  # on the head, in the air
        tilt = torch.where(anyhow, dice.normal(count, 3) * pi, tilt)
        rotmats[:, 0] = rotmat_from_axis_angle(tilt) @ rotmats[:, 0]
        return rotmats


def _people_of(body: Body, split: str) -> Tensor | None:
    """(P, 10) betas of the people whom the body's file names, those of the split; None where it names nobody."""
    people = body.arrays.people
    if people is None:
        return None
    held_out = torch.arange(len(people)) % _HELD_OUT == 0
    return torch.from_numpy(people).float()[held_out if split == "test" else ~held_out]

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

from refit_ros.camera.triangulation import evidence_of_views
from refit_ros.core.body import Body
from refit_ros.core.camera import project, weak_perspective_from_transl
from refit_ros.core.keypoints import (
    MONOCULAR_QUALITY,
    SQUARE_PER_EXTENT,
    KeypointEvidence,
    about_hips,
    crops_without_images,
    square_of_landmarks,
)
from refit_ros.core.landmark_body import LandmarkBody
from refit_ros.core.landmarks import LANDMARK_INDEX, LANDMARK_NAMES, LAYOUTS, MIRRORED_LANDMARKS
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Crops, Estimate
from refit_ros.synthetic.anatomy import rotmats_from_angles, turn
from refit_ros.synthetic.cameras import Shots, sample_shots
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.pose_prior import Prior, sample_legs, sample_pose_rotmats, with_arms

MOST_BETA = 2.5
_SEED = {"train": 2_000_003, "test": 8_368_787}
_LAYOUT_SHARE = {"blazepose": 0.8, "coco": 0.08, "halpe": 0.12}

WIDE = Prior(
    (0.17, 0.17, 0.14, 0.13, 0.12, 0.12, 0.15),
    (0.20, 0.14, 0.18, 0.15, 0.10, 0.07, 0.05, 0.11),
    1.3,
    (0.4, 1.6),
    (30, 130),
    (55, 115),
)
"""Training poses: the kinds of `pose_prior`, the rarer ones oftener and all of them wider."""

_ARM = tuple(f"{part}" for part in ("elbow", "wrist", "pinky", "index", "thumb"))
_LEG = tuple(f"{part}" for part in ("knee", "ankle", "heel", "big_toe", "small_toe"))
_LIMBS = tuple(
    tuple(LANDMARK_INDEX[f"{side}_{part}"] for part in parts) for parts in (_ARM, _LEG) for side in ("left", "right")
)


_LIMB_LOST = (0.16, 0.16, 0.09, 0.09)  # how often the body or something else hides a limb
_LIMB_GUESS = (0.06, 0.06, 0.04, 0.04)  # sigma of where it is then seen, in shares of the crop's side
_LIMB_DEPTH_M = (0.10, 0.10, 0.08, 0.08)
"""Sigma of the far end of each limb in depth, as one image suggests it."""


def _table(values: dict[str, float], default: float) -> Tensor:
    """(K,) by the last part of a landmark's name."""
    return torch.tensor(
        [
            values.get(name.split("_", 1)[-1] if name.startswith(("left", "right")) else name, default)
            for name in LANDMARK_NAMES
        ]
    )


_FACE = ("nose", "eye", "eye_inner", "eye_outer", "mouth", "ear")
_HANDS = ("pinky", "index", "thumb")
OFF_BODY_M = _table(
    {
        "hip": 0.018,
        "mid_hip": 0.018,
        "shoulder": 0.014,
        "neck": 0.018,
        "head_top": 0.018,
        **dict.fromkeys(_FACE, 0.009),
        **dict.fromkeys(_HANDS, 0.016),
        "heel": 0.014,
        "big_toe": 0.016,
        "small_toe": 0.015,
    },
    0.009,
)
"""Sigma of where a source puts a landmark on the body, against where this project does."""
NOISE = _table(
    {
        "hip": 0.013,
        "mid_hip": 0.012,
        **dict.fromkeys(_FACE, 0.011),
        **dict.fromkeys(_HANDS, 0.015),
        "heel": 0.011,
        "big_toe": 0.014,
        "small_toe": 0.014,
    },
    0.0095,
)
"""Sigma in an image, in shares of the crop's side."""


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

    def __init__(self, body: Body, split: str, seed: int) -> None:
        if split not in _SEED:
            raise ValueError(f"split '{split}' is unknown; there are {', '.join(_SEED)}")
        self.body = LandmarkBody(body).eval()
        self.split = split
        self.generator = torch.Generator().manual_seed(_SEED[split] * 31 + seed)
        self.dice = Dice(self.generator)

    @torch.no_grad()
    def batch(self, count: int, views: int = 1) -> EvidenceSamples:
        """`count` people seen by `views` cameras each: count * views crops."""
        if count < 1 or not 1 <= views <= 8:
            raise ValueError(f"a batch needs people and 1 to 8 views, not {count} people and {views} views")
        dice = self.dice
        betas = dice.normal(count, 10, most=MOST_BETA)
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
        crops, evidence = _Faults(dice, landmarks_m, shots, views).evidence()
        target = Estimate(rotmats, betas[person], weak_perspective_from_transl(transl, crops), transl)
        joints_px = project(joints_m, shots.focal_px, shots.principal_px)
        return EvidenceSamples(crops, evidence, target, joints_m, joints_px, person, turned)

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
        if self.split == "test":
            rotmats = sample_pose_rotmats(dice, count, "test")
        else:
            rotmats = rotmats_from_angles(with_arms(dice, sample_legs(dice, count, WIDE), WIDE))
            loose = dice.uniform(0, 0.25, count, 1, 1) * dice.chance(0.7, count, 1, 1)
            rotmats = rotmats @ rotmat_from_axis_angle(dice.normal(count, 24, 3) * loose)
            tilt = dice.normal(count, 3) * torch.where(dice.chance(0.12, count, 1), 1.0, 0.06)  # lying, bent far over
            rotmats[:, 0] = rotmat_from_axis_angle(tilt) @ rotmats[:, 0]
        upright = turn("x", torch.full((count,), pi / 2))
        rotmats[:, 0] = turn("z", dice.uniform(0, 2 * pi, count)) @ upright @ rotmats[:, 0]
        return rotmats


class _Faults:
    """What a landmark network says of true landmarks (B, K, 3) m in the frames of B cameras."""

    def __init__(self, dice: Dice, landmarks_m: Tensor, shots: Shots, views: int) -> None:
        self.dice, self.landmarks_m, self.shots, self.views = dice, landmarks_m, shots, views
        self.count, self.kinds = landmarks_m.shape[:2]

    def evidence(self) -> tuple[Crops, KeypointEvidence]:
        shots = self.shots
        true_px = project(self.landmarks_m, shots.focal_px, shots.principal_px)
        size_px = (true_px.amax(1) - true_px.amin(1)).amax(1).clamp(min=8)
        hidden = self._hidden(true_px, size_px)
        side_px = SQUARE_PER_EXTENT * size_px
        noise = self._noise(hidden)
        seen_px = true_px + noise * side_px[:, None, None]
        m_per_side = side_px / shots.focal_px * self.landmarks_m[..., 2].mean(1)
        offset_m = self._monocular(hidden, noise * m_per_side[:, None, None])
        seen_px, offset_m, hidden = self._exchange_sides(seen_px, offset_m, hidden)
        visibility = self._visibility(hidden)
        crops = self._crops(seen_px, visibility)
        quality = MONOCULAR_QUALITY * visibility * self._has_3d[:, None]
        return crops, evidence_of_views(seen_px, visibility, offset_m, quality, crops, self._views())

    def _views(self) -> tuple[int, Tensor] | None:
        """How many views each person has, and camera_from_world (B, 3, 4) with the person's pelvis as the world's origin."""
        moved = torch.cat((self.shots.camera_from_world, self.shots.pelvis_m[..., None]), dim=-1)
        return None if self.views == 1 else (self.views, moved)

    def _hidden(self, px: Tensor, size_px: Tensor) -> Tensor:
        """(B, K): outside the image, behind an object, or behind the body itself."""
        dice, count = self.dice, self.count
        self._outside = hidden = ((px < 0) | (px > self.shots.size_px[:, None] - 1)).any(-1)
        low, high = px.amin(1, keepdim=True), px.amax(1, keepdim=True)
        share = (px - low) / (high - low).clamp(min=1)  # 0 .. 1 within the box
        desk = dice.chance(0.13, count, 1) & (share[..., 1] > dice.uniform(0.35, 0.95, count, 1))
        post = dice.uniform(0, 1, count, 1)
        post = dice.chance(0.10, count, 1) & ((share[..., 0] - post).abs() < dice.uniform(0.05, 0.3, count, 1))
        hidden = hidden | desk | post | dice.chance(0.03, count, self.kinds)
        for limb, share in zip(_LIMBS, _LIMB_LOST):
            lost = dice.chance(share, count, 1) & dice.chance(0.8, count, len(limb))
            hidden[:, list(limb)] = hidden[:, list(limb)] | lost
        return hidden

    def _noise(self, hidden: Tensor) -> Tensor:
        """(B, K, 2) in shares of the crop's side."""
        dice, count = self.dice, self.count
        poor = torch.exp(dice.normal(count, 1, 1, sigma=0.45))
        heavy = torch.where(dice.chance(0.03, count, self.kinds, 1), 4.0, 1.0)
        noise = dice.normal(count, self.kinds, 2) * NOISE[:, None] * poor * heavy
        guess = dice.normal(count, self.kinds, 2, sigma=0.03) + dice.normal(count, 1, 2, sigma=0.02)
        for limb, sigma in zip(_LIMBS, _LIMB_GUESS):  # a limb that is guessed is off as a whole
            guess[:, list(limb)] += dice.normal(count, 1, 2, sigma=sigma)
        guess = guess * dice.uniform(0.3, 1.6, count, 1, 1)
        return noise + guess * hidden[..., None] + dice.normal(count, 1, 2, sigma=0.003)

    def _monocular(self, hidden: Tensor, moved_m: Tensor) -> Tensor:
        """(B, K, 3) m about the hips, as one image suggests it. moved_m (B, K, 2): how far off it is in the image."""
        dice, count = self.dice, self.count
        self._has_3d = dice.chance(0.85, count)
        true_m = about_hips(self.landmarks_m)
        squeezed = torch.cat((torch.ones(count, 2), dice.uniform(0.45, 1.05, count, 1)), dim=1)
        tilt = dice.normal(count, 3) * torch.tensor([0.11, 0.07, 0.05])
        scale = torch.exp(dice.normal(count, 1, 1, sigma=0.08))
        noise = dice.normal(count, self.kinds, 3, sigma=0.02)
        noise = noise * torch.where(hidden, 2.5, 1.0)[..., None] * torch.tensor([1.0, 1.0, 1.5])
        noise[..., :2] += 0.7 * moved_m
        for limb, sigma_m in zip(_LIMBS, _LIMB_DEPTH_M):  # what one image tells worst: how a limb points in depth
            along = torch.linspace(0.5, 1, len(limb)) * torch.where(hidden[:, list(limb)].any(1, keepdim=True), 1.8, 1.0)
            noise[:, list(limb), 2] += dice.normal(count, 1, sigma=sigma_m) * along
        said = (true_m * squeezed[:, None]) @ rotmat_from_axis_angle(tilt).mT * scale + noise
        return about_hips(said)

    def _exchange_sides(self, px: Tensor, offset_m: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dice, count = self.dice, self.count
        swapped = dice.chance(0.015, count, 1).expand(-1, self.kinds).clone()  # seen from behind, say
        for limbs, chance in ((_LIMBS[:2], 0.015), (_LIMBS[2:], 0.035)):
            which = [index for limb in limbs for index in limb]
            swapped[:, which] ^= dice.chance(chance, count, 1)
        other = list(MIRRORED_LANDMARKS)
        px = torch.where(swapped[..., None], px[:, other], px)
        offset_m = torch.where(swapped[..., None], offset_m[:, other], offset_m)
        return px, offset_m, torch.where(swapped, hidden[:, other], hidden)

    def _visibility(self, hidden: Tensor) -> Tensor:
        """(B, K) as the source says, 0 for what its layout does not have."""
        dice, count = self.dice, self.count
        clear = 1 - dice.normal(count, self.kinds, sigma=0.08).abs() - dice.uniform(0, 0.1, count, 1)
        unclear = dice.uniform(0, 0.65, count, self.kinds) * dice.uniform(0.2, 1, count, 1)
        wrong = dice.chance(0.08, count, self.kinds)
        sure = dice.chance(0.35, count, 1) & ~self._outside  # of a hidden arm's place, say: overconfident
        visibility = torch.where(hidden & ~sure ^ wrong & (hidden | dice.chance(0.4, count, self.kinds)), unclear, clear)
        layout = dice.choice(tuple(_LAYOUT_SHARE.values()), count // self.views).repeat_interleave(self.views)
        known = torch.zeros(len(_LAYOUT_SHARE), self.kinds)
        for row, name in zip(known, _LAYOUT_SHARE):
            row[[LANDMARK_INDEX[landmark] for landmark in LAYOUTS[name]]] = 1
        self._has_3d = self._has_3d & (layout == 0)  # others give no place in 3D
        return visibility.clamp(0, 1) * known[layout]

    def _crops(self, px: Tensor, visibility: Tensor) -> Crops:
        dice, count, shots = self.dice, self.count, self.shots
        center, side = square_of_landmarks(px, visibility)
        side = side * torch.exp(dice.normal(count, sigma=0.06, most=2.5))
        center = center + dice.uniform(-0.04, 0.04, count, 2) * side[:, None]
        return crops_without_images(center, side, shots.focal_px, shots.principal_px)

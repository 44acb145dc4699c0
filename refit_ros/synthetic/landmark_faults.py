"""How a landmark network errs: what it would say of true landmarks.

What is hidden below an image's edge, and how sure the network is of right and of wrong places, follow what BlazePose said
of 131 drawn people whose images ended somewhere below the head; the rest follows 184 whole ones. A share of the people are
seen as by BlazePose whose landmarks another network has checked (detection/checked_landmarks.py): how much less those err
follows what both said of a man who balances (docs/real.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.camera.triangulation import evidence_of_views
from refit_ros.core.camera import project
from refit_ros.core.keypoints import (
    MONOCULAR_QUALITY,
    SQUARE_PER_EXTENT,
    KeypointEvidence,
    about_hips,
    crops_without_images,
    square_of_landmarks,
)
from refit_ros.core.landmarks import HIPS, LANDMARK_INDEX, LANDMARK_NAMES, LAYOUTS, MIRRORED_LANDMARKS
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Crops
from refit_ros.synthetic.cameras import Shots
from refit_ros.synthetic.dice import Dice

_ARM = tuple(f"{part}" for part in ("elbow", "wrist", "pinky", "index", "thumb"))
_LEG = tuple(f"{part}" for part in ("knee", "ankle", "heel", "big_toe", "small_toe"))
_LIMBS = tuple(
    tuple(LANDMARK_INDEX[f"{side}_{part}"] for part in parts) for parts in (_ARM, _LEG) for side in ("left", "right")
)


_LAYOUT_SHARE = {"blazepose": 0.8, "coco": 0.08, "halpe": 0.12}
_LIMB_LOST = (0.16, 0.16, 0.09, 0.09)  # how often the body or something else hides a limb
_LIMB_GUESS = (0.06, 0.06, 0.04, 0.04)  # sigma of where it is then seen, in shares of the crop's side
CUT, CUT_OF_SEVERAL = 0.3, 0.12
"""Share of the crops of one camera, and of several, that end somewhere below the head."""
_CUT_AT = (0.1, 0.95)  # where, in shares of the person's box
_CUT_GUESS = (-0.08, 0.08, 0.06)  # what is below is put near the edge: mean, sigma of all, of each, in shares of the size
_CUT_ASIDE = 0.03
_CUT_OFF_M = (0.15, 0.10)  # sigma of each axis of the places in 3D of what is below: of a limb, of each
_CUT_TRUNK_M = (0.15, 0.12)  # by how much the trunk is then too short, where the hips are below: mean, sigma
_SURE = (2.3, 1.25, 0.03)  # logit of the visibility of right places, less so much of log(1 + error / this share of the side)
_SURE_HIDDEN, _SURE_PERSON, _SURE_EACH = 0.5, 0.6, 0.7  # less where hidden; sigma of a person's, of each landmark's
_POOR_3D, _POORER = 0.3, 2.5  # how often one image misleads in 3D, and by how much more
CHECKED = 0.6  # share of the people seen by BlazePose whose points a second network has checked
_OWN = [LANDMARK_INDEX[name] for name in LAYOUTS["coco"]]  # its points: it errs by so much less, hidden ones by so much
_OWN_NOISE, _OWN_GUESS = 0.75, 0.7
_OWN_EXCHANGED = 0.15  # of how often the first one takes left for right
_AT_ODDS, _LIMB_AT_ODDS = 0.08, 0.08  # how often the first network is not believed, in all or in a limb
_UNBELIEVED = 0.05  # of the visibility of what only it sees
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


class Faults:
    """What a landmark network says of true landmarks (B, K, 3) m in the frames of B cameras."""

    def __init__(self, dice: Dice, landmarks_m: Tensor, shots: Shots, views: int) -> None:
        self.dice, self.landmarks_m, self.shots, self.views = dice, landmarks_m, shots, views
        self.count, self.kinds = landmarks_m.shape[:2]
        people = self.count // views
        self._layout = dice.choice(tuple(_LAYOUT_SHARE.values()), people).repeat_interleave(views)
        self._checked = (dice.chance(CHECKED, people).repeat_interleave(views)) & (self._layout == 0)
        self._own = torch.zeros(self.kinds, dtype=torch.bool)
        self._own[_OWN] = True

    def evidence(self) -> tuple[Crops, KeypointEvidence]:
        shots = self.shots
        true_px = project(self.landmarks_m, shots.focal_px, shots.principal_px)
        size_px = (true_px.amax(1) - true_px.amin(1)).amax(1).clamp(min=8)
        self._cut(true_px)
        hidden = self._hidden(true_px)
        side_px = SQUARE_PER_EXTENT * size_px
        noise = self._noise(hidden)
        noise = torch.where(self._below[..., None], self._cut_noise(true_px, side_px), noise)
        seen_px = true_px + noise * side_px[:, None, None]
        m_per_side = side_px / shots.focal_px * self.landmarks_m[..., 2].mean(1)
        offset_m = self._monocular(hidden, noise * m_per_side[:, None, None])
        visibility = self._visibility(hidden, noise.norm(dim=-1))
        seen_px, offset_m, visibility = self._exchange_sides(seen_px, offset_m, visibility)
        visibility = visibility * torch.where(self._believed() | self._own, 1.0, _UNBELIEVED)
        crops = self._crops(seen_px, visibility)
        quality = MONOCULAR_QUALITY * visibility * self._has_3d[:, None]
        return crops, evidence_of_views(seen_px, visibility, offset_m, quality, crops, self._views())

    def _views(self) -> tuple[int, Tensor] | None:
        """How many views each person has, and camera_from_world (B, 3, 4) with the person's pelvis as the world's origin."""
        moved = torch.cat((self.shots.camera_from_world, self.shots.pelvis_m[..., None]), dim=-1)
        return None if self.views == 1 else (self.views, moved)

    def _cut(self, px: Tensor) -> None:
        """Which crops end below the head, where, and what is below that."""
        dice, count = self.dice, self.count
        low, high = px[..., 1].amin(1), px[..., 1].amax(1)
        edge_px = low + (high - low) * dice.uniform(*_CUT_AT, count)
        cut = dice.chance(CUT if self.views == 1 else CUT_OF_SEVERAL, count)
        self._edge_px = torch.where(cut, edge_px, torch.full_like(edge_px, float("inf")))
        self._below = px[..., 1] > self._edge_px[:, None]

    def _cut_noise(self, px: Tensor, side_px: Tensor) -> Tensor:
        """(B, K, 2) in shares of the crop's side: what is below is put near the edge, mostly above it."""
        dice, count = self.dice, self.count
        mean, of_all, of_each = _CUT_GUESS
        down = mean + dice.normal(count, 1, sigma=of_all) + dice.normal(count, self.kinds, sigma=of_each)
        off = (self._edge_px.clamp(max=1e6)[:, None] - px[..., 1]) / side_px[:, None] + down / SQUARE_PER_EXTENT
        aside = dice.normal(count, 1, sigma=_CUT_ASIDE) + dice.normal(count, self.kinds, sigma=_CUT_ASIDE)
        return torch.stack((aside, off), dim=-1)

    def _hidden(self, px: Tensor) -> Tensor:
        """(B, K): outside the image, behind an object, or behind the body itself."""
        dice, count = self.dice, self.count
        hidden = self._below | ((px < 0) | (px > self.shots.size_px[:, None] - 1)).any(-1)
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
        own = (self._checked[:, None] & self._own)[..., None]
        noise, guess = noise * torch.where(own, _OWN_NOISE, 1.0), guess * torch.where(own, _OWN_GUESS, 1.0)
        return noise + guess * hidden[..., None] + dice.normal(count, 1, 2, sigma=0.003)

    def _monocular(self, hidden: Tensor, moved_m: Tensor) -> Tensor:
        """(B, K, 3) m about the hips, as one image suggests it. moved_m (B, K, 2): how far off it is in the image."""
        dice, count = self.dice, self.count
        self._has_3d = dice.chance(0.85, count)
        true_m = about_hips(self.landmarks_m)
        squeezed = torch.cat((torch.ones(count, 2), dice.uniform(0.45, 1.05, count, 1)), dim=1)
        poorer = torch.where(dice.chance(_POOR_3D, count, 1), _POORER, 1.0)
        tilt = dice.normal(count, 3) * torch.tensor([0.11, 0.07, 0.05]) * poorer
        scale = torch.exp(dice.normal(count, 1, 1, sigma=0.08))
        noise = dice.normal(count, self.kinds, 3, sigma=0.02) * poorer[..., None]
        noise = noise * torch.where(hidden, 2.5, 1.0)[..., None] * torch.tensor([1.0, 1.0, 1.5])
        noise[..., :2] += 0.7 * moved_m
        for limb, sigma_m in zip(_LIMBS, _LIMB_DEPTH_M):  # what one image tells worst: how a limb points in depth
            along = torch.linspace(0.5, 1, len(limb)) * torch.where(hidden[:, list(limb)].any(1, keepdim=True), 1.8, 1.0)
            noise[:, list(limb), 2] += dice.normal(count, 1, sigma=sigma_m) * along * poorer
            noise[:, list(limb)] += dice.normal(count, 1, 3, sigma=_CUT_OFF_M[0]) * self._below[:, list(limb), None]
        noise = noise + dice.normal(count, self.kinds, 3, sigma=_CUT_OFF_M[1]) * self._below[..., None]
        short = _CUT_TRUNK_M[0] + dice.normal(count, sigma=_CUT_TRUNK_M[1])
        short = short * self._below[:, list(HIPS)].all(1)
        above = torch.ones(self.kinds)
        above[[*HIPS, LANDMARK_INDEX["mid_hip"]]] = 0
        noise[..., 1] += short[:, None] * above
        said = (true_m * squeezed[:, None]) @ rotmat_from_axis_angle(tilt).mT * scale + noise
        return about_hips(said)

    def _exchange_sides(self, px: Tensor, offset_m: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dice, count = self.dice, self.count
        kept = self._checked[:, None] & ~dice.chance(_OWN_EXCHANGED, count, 1)
        swapped = (dice.chance(0.015, count, 1) & ~kept).expand(-1, self.kinds).clone()  # seen from behind, say
        for limbs, chance in ((_LIMBS[:2], 0.015), (_LIMBS[2:], 0.035)):
            which = [index for limb in limbs for index in limb]
            swapped[:, which] ^= dice.chance(chance, count, 1) & ~kept
        other = list(MIRRORED_LANDMARKS)
        px = torch.where(swapped[..., None], px[:, other], px)
        offset_m = torch.where(swapped[..., None], offset_m[:, other], offset_m)
        return px, offset_m, torch.where(swapped, visibility[:, other], visibility)

    def _believed(self) -> Tensor:
        """(B, K): what is believed of the first network beside the second one's points, where there is a second one."""
        dice, count = self.dice, self.count
        believed = (~dice.chance(_AT_ODDS, count, 1)).expand(-1, self.kinds).clone()
        for limb in _LIMBS:
            believed[:, list(limb)] &= ~dice.chance(_LIMB_AT_ODDS, count, 1)
        return believed | ~self._checked[:, None]

    def _visibility(self, hidden: Tensor, error: Tensor) -> Tensor:
        """(B, K) as the source says, 0 for what its layout does not have. error (B, K) in shares of the crop's side."""
        dice, count = self.dice, self.count
        right, falls, half = _SURE
        sure = right - falls * torch.log1p(error / half) - _SURE_HIDDEN * hidden
        sure = sure + dice.normal(count, 1, sigma=_SURE_PERSON) + dice.normal(count, self.kinds, sigma=_SURE_EACH)
        visibility = torch.sigmoid(sure)
        known = torch.zeros(len(_LAYOUT_SHARE), self.kinds)
        for row, name in zip(known, _LAYOUT_SHARE):
            row[[LANDMARK_INDEX[landmark] for landmark in LAYOUTS[name]]] = 1
        self._has_3d = self._has_3d & (self._layout == 0) & ~self._checked  # others give no place in 3D
        return visibility * known[self._layout]

    def _crops(self, px: Tensor, visibility: Tensor) -> Crops:
        dice, count, shots = self.dice, self.count, self.shots
        center, side = square_of_landmarks(px, visibility)
        side = side * torch.exp(dice.normal(count, sigma=0.06, most=2.5))
        center = center + dice.uniform(-0.04, 0.04, count, 2) * side[:, None]
        return crops_without_images(center, side, shots.focal_px, shots.principal_px)

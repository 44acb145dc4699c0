"""Poses of people who stand, walk, gesture, reach, sit, crouch, lunge, or do anything their joints allow.

Training and test draw from other mixtures and other ranges, alike in kind.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import pi, radians

import torch
from torch import Tensor

from refit_ros.core.rotations import axis_angle_from_rotmat
from refit_ros.synthetic.anatomy import Angles, rotmats_from_angles, zero_angles
from refit_ros.synthetic.dice import Dice

KINDS = ("stand", "walk", "step", "sit", "crouch", "lunge", "free")
ARMS = ("hang", "swing", "gesture", "reach", "overhead", "akimbo", "crossed", "free")


@dataclass(frozen=True)
class Prior:
    """How often each kind of legs and of arms is, and how wide the ranges are."""

    kinds: tuple[float, ...]
    arms: tuple[float, ...]
    width: float  # factor on all spreads
    stride: tuple[float, float]
    crouch_deg: tuple[float, float]
    sit_deg: tuple[float, float]


PRIORS = {
    "train": Prior(
        (0.27, 0.27, 0.09, 0.13, 0.10, 0.08, 0.06),
        (0.34, 0.16, 0.19, 0.13, 0.05, 0.06, 0.03, 0.04),
        1.0,
        (0.5, 1.35),
        (50, 120),
        (68, 105),
    ),
    "test": Prior(
        (0.25, 0.25, 0.10, 0.14, 0.11, 0.09, 0.06),
        (0.31, 0.14, 0.21, 0.15, 0.05, 0.06, 0.03, 0.05),
        1.05,
        (0.6, 1.3),
        (55, 118),
        (72, 102),
    ),
}


def prior_of(split: str) -> Prior:
    """Raises ValueError for a split that does not exist."""
    if split not in PRIORS:
        raise ValueError(f"split '{split}' is unknown; there are {', '.join(PRIORS)}")
    return PRIORS[split]


def sample_poses(generator: torch.Generator, count: int, split: str = "train") -> Tensor:
    """Axis-angle (count, 24, 3) rad; the pelvis in SMPL's rest frame (y up), facing +z but for tilt and sway."""
    return axis_angle_from_rotmat(sample_pose_rotmats(Dice(generator), count, split))


def sample_pose_rotmats(dice: Dice, count: int, split: str = "train") -> Tensor:
    """As `sample_poses`, as rotation matrices (count, 24, 3, 3)."""
    prior = prior_of(split)
    return rotmats_from_angles(with_arms(dice, sample_legs(dice, count, prior), prior))


def walking_legs(phase: Tensor, stride: Tensor, device: torch.device | str) -> Angles:
    """A gait cycle: phase (N,) 0 .. 2 pi, stride (N,) about 1. Joint curves as in Winter's gait data, by few harmonics."""
    angles = zero_angles(len(phase), device)
    both = torch.stack((phase, phase + pi), dim=1)  # heel strike of the left foot at phase 0
    wide = stride[:, None]

    def bump(at: float, width: float) -> Tensor:
        return torch.exp(-((torch.remainder(both - at + pi, 2 * pi) - pi) ** 2) / (2 * width**2))

    hip = 8 * wide + 22 * wide * torch.cos(both + 0.3) + 13 * bump(4.9, 0.6) * wide.sqrt()
    knee = 5 + 12 * bump(0.75, 0.5) * wide + 66 * bump(4.68, 0.68) * wide.sqrt()
    ankle = 3 * bump(0.3, 0.3) - 9 * bump(2.5, 0.8) + 15 * bump(3.75, 0.35) * wide - 9 * bump(5.1, 0.6)
    toes = 22 * bump(3.45, 0.45) * wide
    return replace(
        angles,
        hip_flex=torch.deg2rad(hip),
        knee=torch.deg2rad(knee),
        ankle=torch.deg2rad(ankle),
        toes=torch.deg2rad(toes),
        tilt=torch.deg2rad(3 * stride),
        sway=torch.deg2rad(3 * torch.sin(phase)),
        twist=torch.deg2rad(-9 * torch.cos(phase) * stride),
        hip_out=torch.full_like(both, radians(2)),
    )


class _Draw:
    """Angles of `count` people, given in degrees."""

    def __init__(self, dice: Dice, count: int, prior: Prior):
        self.dice, self.count, self.prior = dice, count, prior

    def normal(self, degrees: float, *shape: int) -> Tensor:
        return self.dice.normal(self.count, *shape, sigma=radians(degrees) * self.prior.width, most=2.5)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        return self.dice.uniform(radians(low), radians(high), self.count, *shape)


def _upright(draw: _Draw, none: Angles) -> tuple[Angles, Angles, Angles]:
    """Standing, walking, stepping."""
    stand = replace(
        none,
        hip_flex=draw.normal(7, 2),
        hip_out=draw.normal(5, 2) + 0.06,
        knee=draw.normal(7, 2).abs(),
        hip_turn=draw.normal(10, 2),
        ankle=draw.normal(4, 2),
        tilt=draw.normal(4),
        bend=draw.normal(8),
        sway=draw.normal(3),
    )
    walk = walking_legs(
        draw.dice.uniform(0, 2 * pi, draw.count), draw.dice.uniform(*draw.prior.stride, draw.count), draw.dice.device
    )
    walk = replace(
        walk,
        hip_flex=walk.hip_flex + draw.normal(4, 2),
        hip_out=walk.hip_out + draw.normal(3, 2),
        knee=(walk.knee + draw.normal(5, 2)).clamp(min=0),
        hip_turn=draw.normal(8, 2),
        bend=draw.normal(7),
    )
    step = replace(
        none,
        hip_flex=draw.between(-25, 75, 2),
        hip_out=draw.between(-6, 35, 2),
        knee=draw.between(0, 80, 2),
        hip_turn=draw.normal(15, 2),
        ankle=draw.normal(12, 2),
        tilt=draw.normal(8),
        sway=draw.normal(6),
        bend=draw.normal(13),
    )
    return stand, walk, step


def _low(draw: _Draw, none: Angles) -> tuple[Angles, Angles]:
    """Sitting, crouching."""
    seat = draw.between(*draw.prior.sit_deg)[:, None] + draw.normal(6, 2)
    sit = replace(
        none,
        hip_flex=seat,
        hip_out=draw.between(-4, 28, 2),
        hip_turn=draw.normal(10, 2),
        knee=draw.between(45, 115, 2),
        ankle=draw.normal(10, 2),
        tilt=draw.between(-22, 18),
        bend=draw.between(-8, 38),
        sway=draw.normal(3),
    )
    squat = draw.between(*draw.prior.crouch_deg)
    crouch = replace(
        none,
        hip_flex=(squat * draw.dice.uniform(0.75, 1.0, draw.count))[:, None] + draw.normal(8, 2),
        hip_out=draw.between(0, 32, 2),
        hip_turn=draw.between(-5, 28, 2),
        knee=(squat * 1.08)[:, None] + draw.normal(9, 2),
        ankle=-0.22 * squat[:, None] + draw.normal(6, 2),
        tilt=squat * draw.dice.uniform(0.05, 0.4, draw.count),
        bend=draw.between(-5, 40),
        sway=draw.normal(4),
    )
    return sit, crouch


def _wide(draw: _Draw, none: Angles) -> tuple[Angles, Angles]:
    """Lunging, anything."""
    front = draw.between(35, 95)
    lunge = replace(
        none,
        hip_flex=torch.stack((front, draw.between(-30, 10)), 1),
        knee=torch.stack((draw.between(20, 100), draw.between(0, 70)), 1),
        hip_out=draw.between(-2, 20, 2),
        hip_turn=draw.normal(9, 2),
        ankle=draw.normal(12, 2),
        tilt=draw.between(-5, 55),
        bend=draw.between(-8, 45),
        sway=draw.normal(6),
    )
    free = replace(
        none,
        hip_flex=draw.between(-20, 105, 2),
        hip_out=draw.between(-8, 45, 2),
        hip_turn=draw.normal(20, 2),
        knee=draw.between(0, 125, 2),
        ankle=draw.normal(15, 2),
        tilt=draw.normal(22),
        bend=draw.between(-12, 50),
        sway=draw.normal(11),
    )
    return lunge, free


def sample_legs(dice: Dice, count: int, prior: Prior) -> Angles:
    """Legs, pelvis, trunk and head of a mixture of kinds; the arms stay in the T-pose."""
    kind = dice.choice(prior.kinds, count)
    draw, none = _Draw(dice, count, prior), zero_angles(count, dice.device)
    angles, *others = (*_upright(draw, none), *_low(draw, none), *_wide(draw, none))
    for number, other in enumerate(others, start=1):
        angles = other.where(kind == number, angles)
    swapped = dice.chance(0.5, count)[:, None]  # lunge with either foot
    angles = replace(
        angles,
        **{
            f.name: torch.where(swapped, getattr(angles, f.name).flip(1), getattr(angles, f.name))
            for f in fields(Angles)
            if getattr(angles, f.name).dim() == 2
        },
    )
    return replace(
        angles,
        lean=draw.normal(7),
        twist=angles.twist + draw.normal(11),
        nod=draw.normal(13),
        cock=draw.normal(7),
        look=draw.normal(22),
        knee=angles.knee.clamp(-0.03, 2.45),
        hip_flex=angles.hip_flex.clamp(-0.6, 2.2),
    )


def with_arms(dice: Dice, angles: Angles, prior: Prior) -> Angles:
    """The same with arms of a mixture of kinds, both alike in four of ten people."""
    count = len(angles)
    mode = dice.choice(prior.arms, count, 2)
    mode = torch.where(dice.chance(0.4, count)[:, None], mode[:, :1], mode)

    def between(low: float, high: float) -> Tensor:
        return dice.uniform(radians(low), radians(high), count, 2)

    opposite = angles.hip_flex.flip(1) - angles.hip_flex
    choices = {  # down, flex, turn, elbow
        "hang": (between(66, 84), between(-14, 14), between(-25, 25), between(2, 38)),
        "swing": (between(68, 84), 0.6 * opposite.clamp(-1, 1) + between(-8, 8), between(-20, 20), between(8, 50)),
        "gesture": (between(35, 82), between(0, 62), between(-25, 70), between(45, 128)),
        "reach": (between(-25, 82), between(25, 140), between(-40, 50), between(0, 55)),
        "overhead": (between(-80, -15), between(-10, 40), between(-30, 50), between(0, 115)),
        "akimbo": (between(40, 58), between(-35, -5), between(-75, -35), between(85, 125)),
        "crossed": (between(72, 84), between(18, 42), between(-10, 10), between(100, 128)),
        "free": (between(-75, 82), between(-30, 120), between(-60, 75), between(0, 135)),
    }
    down, flex, turned, elbow = (torch.stack([choices[name][k] for name in ARMS], 0) for k in range(4))
    # crossed forearms turn inwards across the chest
    turned[ARMS.index("crossed")] -= radians(45)

    def pick(values: Tensor) -> Tensor:
        return values.gather(0, mode[None])[0]

    # A sitting or crouching person's hanging arms rest on the thighs: forward, with bent elbows.
    folded = ((angles.hip_flex - 0.8) / 0.6).clamp(0, 1) * (mode <= 1) * dice.chance(0.7, count, 2)
    return replace(
        angles,
        arm_down=pick(down),
        arm_flex=pick(flex) + folded * between(15, 60),
        arm_turn=pick(turned),
        elbow=pick(elbow) + folded * between(10, 50),
        forearm=between(-55, 55),
        wrist=dice.normal(count, 2, sigma=0.25),
        wrist_side=dice.normal(count, 2, sigma=0.15),
    )

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
    width: float       # factor on all spreads
    stride: tuple[float, float]
    crouch_deg: tuple[float, float]
    sit_deg: tuple[float, float]


PRIORS = {
    "train": Prior((.27, .27, .09, .13, .10, .08, .06), (.34, .16, .19, .13, .05, .06, .03, .04), 1.0,
                   (.5, 1.35), (50, 120), (68, 105)),
    "test": Prior((.25, .25, .10, .14, .11, .09, .06), (.31, .14, .21, .15, .05, .06, .03, .05), 1.05,
                  (.6, 1.3), (55, 118), (72, 102)),
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
        return torch.exp(-(torch.remainder(both - at + pi, 2 * pi) - pi) ** 2 / (2 * width**2))

    hip = 8 * wide + 22 * wide * torch.cos(both + .3) + 13 * bump(4.9, .6) * wide.sqrt()
    knee = 5 + 12 * bump(.75, .5) * wide + 66 * bump(4.68, .68) * wide.sqrt()
    ankle = 3 * bump(.3, .3) - 9 * bump(2.5, .8) + 15 * bump(3.75, .35) * wide - 9 * bump(5.1, .6)
    toes = 22 * bump(3.45, .45) * wide
    return replace(angles, hip_flex=torch.deg2rad(hip), knee=torch.deg2rad(knee), ankle=torch.deg2rad(ankle),
                   toes=torch.deg2rad(toes),
                   tilt=torch.deg2rad(3 * stride), sway=torch.deg2rad(3 * torch.sin(phase)),
                   twist=torch.deg2rad(-9 * torch.cos(phase) * stride), hip_out=torch.full_like(both, radians(2)))


def sample_legs(dice: Dice, count: int, prior: Prior) -> Angles:
    """Legs, pelvis, trunk and head of a mixture of kinds; the arms stay in the T-pose."""
    kind = dice.choice(prior.kinds, count)
    wide = prior.width

    def normal(degrees: float, *shape: int) -> Tensor:
        return dice.normal(count, *shape, sigma=radians(degrees) * wide, most=2.5)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return dice.uniform(radians(low), radians(high), count, *shape)

    none = zero_angles(count, dice.device)
    stand = replace(none, hip_flex=normal(7, 2), hip_out=normal(5, 2) + .06, knee=normal(7, 2).abs(), hip_turn=normal(10, 2),
                    ankle=normal(4, 2), tilt=normal(4), bend=normal(8), sway=normal(3))
    walk = walking_legs(dice.uniform(0, 2 * pi, count), dice.uniform(*prior.stride, count), dice.device)
    walk = replace(walk, hip_flex=walk.hip_flex + normal(4, 2), hip_out=walk.hip_out + normal(3, 2), knee=(walk.knee + normal(5, 2)).clamp(min=0),
                   hip_turn=normal(8, 2), bend=normal(7))
    step = replace(none, hip_flex=between(-25, 75, 2), hip_out=between(-6, 35, 2), knee=between(0, 80, 2), hip_turn=normal(15, 2),
                   ankle=normal(12, 2), tilt=normal(8), sway=normal(6), bend=normal(13))
    seat = between(*prior.sit_deg)[:, None] + normal(6, 2)
    sit = replace(none, hip_flex=seat, hip_out=between(-4, 28, 2), hip_turn=normal(10, 2), knee=between(45, 115, 2),
                  ankle=normal(10, 2), tilt=between(-22, 18), bend=between(-8, 38), sway=normal(3))
    squat = between(*prior.crouch_deg)
    crouch = replace(none, hip_flex=(squat * dice.uniform(.75, 1.0, count))[:, None] + normal(8, 2), hip_out=between(0, 32, 2),
                     hip_turn=between(-5, 28, 2), knee=(squat * 1.08)[:, None] + normal(9, 2), ankle=-.22 * squat[:, None] + normal(6, 2),
                     tilt=squat * dice.uniform(.05, .4, count), bend=between(-5, 40), sway=normal(4))
    front = between(35, 95)
    lunge = replace(none, hip_flex=torch.stack((front, between(-30, 10)), 1), knee=torch.stack((between(20, 100), between(0, 70)), 1),
                    hip_out=between(-2, 20, 2), hip_turn=normal(9, 2), ankle=normal(12, 2), tilt=between(-5, 55), bend=between(-8, 45),
                    sway=normal(6))
    free = replace(none, hip_flex=between(-20, 105, 2), hip_out=between(-8, 45, 2), hip_turn=normal(20, 2), knee=between(0, 125, 2),
                   ankle=normal(15, 2), tilt=normal(22), bend=between(-12, 50), sway=normal(11))
    angles = stand
    for number, other in enumerate((walk, step, sit, crouch, lunge, free), start=1):
        angles = other.where(kind == number, angles)
    swapped = dice.chance(.5, count)[:, None]  # lunge with either foot
    angles = replace(angles, **{f.name: torch.where(swapped, getattr(angles, f.name).flip(1), getattr(angles, f.name))
                                for f in fields(Angles) if getattr(angles, f.name).dim() == 2})
    return replace(angles, lean=normal(7), twist=angles.twist + normal(11), nod=normal(13), cock=normal(7), look=normal(22),
                   knee=angles.knee.clamp(-.03, 2.45), hip_flex=angles.hip_flex.clamp(-.6, 2.2))


def with_arms(dice: Dice, angles: Angles, prior: Prior) -> Angles:
    """The same with arms of a mixture of kinds, both alike in four of ten people."""
    count = len(angles)
    mode = dice.choice(prior.arms, count, 2)
    mode = torch.where(dice.chance(.4, count)[:, None], mode[:, :1], mode)

    def between(low: float, high: float) -> Tensor:
        return dice.uniform(radians(low), radians(high), count, 2)

    opposite = angles.hip_flex.flip(1) - angles.hip_flex
    choices = {  # down, flex, turn, elbow
        "hang": (between(66, 84), between(-14, 14), between(-25, 25), between(2, 38)),
        "swing": (between(68, 84), .6 * opposite.clamp(-1, 1) + between(-8, 8), between(-20, 20), between(8, 50)),
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
    folded = ((angles.hip_flex - .8) / .6).clamp(0, 1) * (mode <= 1) * dice.chance(.7, count, 2)
    return replace(angles, arm_down=pick(down), arm_flex=pick(flex) + folded * between(15, 60), arm_turn=pick(turned),
                   elbow=pick(elbow) + folded * between(10, 50), forearm=between(-55, 55),
                   wrist=dice.normal(count, 2, sigma=.25), wrist_side=dice.normal(count, 2, sigma=.15))

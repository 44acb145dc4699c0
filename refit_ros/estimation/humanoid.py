"""A person as the kinematic model of REP 155: a few angles and lengths from SMPL's joints.

Axes as in REP 103: x forward, y left, z up; arms and legs hang down, each segment along its own -z. At zero the body stands
straight with its arms down. Shoulders, hips and the head turn freely (three axes each), elbows and knees about one axis,
the trunk bends forward only: its twist and sideways bend are not in the angles, and the limbs' angles make up for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_INDEX

SIDES = {"l": ("left", 1.0), "r": ("right", -1.0)}
STRAIGHT = 0.1  # sine of an elbow's or knee's angle below which the joint's own turn says where its axis is
# Of the model's main links, those that have a frame besides the body's.
LINKS = (
    *("waist", "torso", "head"),
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in SIDES),
)
_UPRIGHT = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # SMPL's axes (x left, y up) from these


@dataclass(frozen=True)
class Lengths:
    """Of one person's bones, m."""

    torso: float  # from the middle of the hips to that of the shoulders
    shoulders: float  # from one to the other
    hips: float
    neck: float  # from between the shoulders to the head's joint
    head: float  # radius
    upper_arm: float
    forearm: float
    thigh: float
    shank: float

    def differ(self, other: Lengths) -> float:
        """By how much at most, m."""
        return max(abs(a - b) for a, b in zip(vars(self).values(), vars(other).values()))


def lengths_of(rest_joints: np.ndarray, height_m: float) -> Lengths:
    """Of joints (24, 3) m in SMPL's rest pose and a standing height; both sides' mean."""

    def apart(one: str, other: str) -> float:
        bones = [_at(rest_joints, side, one) - _at(rest_joints, side, other) for side in SIDES]
        return float(np.linalg.norm(bones, axis=1).mean())

    shoulders, hips = (_middle(rest_joints, part) for part in ("shoulder", "hip"))
    return Lengths(
        torso=float(np.linalg.norm(shoulders - hips)),
        shoulders=float(np.linalg.norm(_at(rest_joints, "l", "shoulder") - _at(rest_joints, "r", "shoulder"))),
        hips=float(np.linalg.norm(_at(rest_joints, "l", "hip") - _at(rest_joints, "r", "hip"))),
        neck=float(np.linalg.norm(rest_joints[JOINT_INDEX["head"]] - shoulders)),
        head=height_m / 15,  # half of a head, of which seven and a half make a height
        upper_arm=apart("shoulder", "elbow"),
        forearm=apart("elbow", "wrist"),
        thigh=apart("hip", "knee"),
        shank=apart("knee", "ankle"),
    )


@dataclass(frozen=True)
class Humanoid:
    """One person's angles, and where the links lie."""

    angles: Mapping[str, float]  # rad, by the model's joints
    body: tuple[np.ndarray, np.ndarray]  # place (3,) m and turn (3, 3), in the fixed frame
    links: Mapping[str, tuple[np.ndarray, np.ndarray]]  # likewise, of LINKS: at the person's own joints


def humanoid(joints: np.ndarray, rotmats: np.ndarray, lengths: Lengths) -> Humanoid:
    """From joints (24, 3) m and their turns (24, 3, 3), both in the fixed frame."""
    body = rotmats[0] @ _UPRIGHT
    hips, shoulders = _middle(joints, "hip"), _middle(joints, "shoulder")
    ahead, _, up = body.T @ (shoulders - hips)
    angles = {"waist": float(np.arctan2(ahead, up))}
    torso = body @ Rotation.from_euler("y", angles["waist"]).as_matrix()
    head = rotmats[JOINT_INDEX["head"]] @ _UPRIGHT
    # About x, then z, then -y.
    roll, yaw, pitch = Rotation.from_matrix(torso.T @ head).as_euler("XZY")
    angles |= {"r_head": float(roll), "y_head": float(yaw), "p_head": float(-pitch)}
    top = joints[JOINT_INDEX["head"]] + head @ [lengths.head / 2, 0, lengths.head]
    links = {"waist": (hips, torso), "torso": (shoulders, torso), "head": (top, head)}
    for side in SIDES:
        for limb, parent in ((_ARM, torso), (_LEG, body)):
            own_angles, own_links = limb.posed(side, joints, rotmats, parent)
            angles |= own_angles
            links |= own_links
    return Humanoid(angles, (hips, body), {name: links[name] for name in LINKS})


@dataclass(frozen=True)
class _Limb:
    """An arm or a leg: three axes at its root, one in its middle."""

    parts: tuple[str, str, str]
    turns: Callable[[np.ndarray], tuple[float, float, float]]  # (3, 3) -> angles about the root's axes, rad
    signs: tuple[tuple[float, float], ...]  # of each axis: on the left and on the right
    forward: float  # 1 where the far segment bends forward

    def posed(self, side: str, joints: np.ndarray, rotmats: np.ndarray, parent: np.ndarray) -> tuple[dict, dict]:
        root, middle, end = self.parts
        places = [_at(joints, side, part) for part in self.parts]
        near, far = (_unit(places[index + 1] - places[index]) for index in (0, 1))
        bent = far - near * (far @ near)
        sine = float(np.linalg.norm(bent))
        own = rotmats[JOINT_INDEX[f"{SIDES[side][0]}_{root}"]] @ _UPRIGHT
        x = self.forward * bent / sine if sine > STRAIGHT else own[:, 0] - near * (own[:, 0] @ near)
        if np.linalg.norm(x) < 1e-6:
            x = own[:, 1] - near * (own[:, 1] @ near)
        x = _unit(x)
        upper = np.stack([x, np.cross(-near, x), -near], axis=1)
        bend = float(np.arctan2(far @ x, far @ near))  # about -y: forward where it is positive
        lower = upper @ Rotation.from_euler("y", -bend).as_matrix()
        turns = self.turns(parent.T @ upper)
        names = (f"{side}_{axis}_{root}" for axis in "ypr")
        index = list(SIDES).index(side)
        angles = {name: float(sign[index] * turn) for name, sign, turn in zip(names, self.signs, turns)}
        angles[f"{side}_{middle}"] = bend
        links = {root: (places[0], upper), middle: (places[1], lower), end: (places[2], lower)}
        return angles, {f"{side}_{name}": value for name, value in links.items()}


def _about_zxz(turn: np.ndarray) -> tuple[float, float, float]:
    """Of the two solutions the one that turns less about the first z; where x does not turn, the second z does all."""
    sine = float(np.hypot(turn[0, 2], turn[1, 2]))
    if sine < 1e-6:
        return 0.0, float(np.arctan2(0.0, turn[2, 2])), float(np.arctan2(turn[1, 0], turn[0, 0]))
    first, second, third = (
        np.arctan2(turn[0, 2], -turn[1, 2]),
        np.arctan2(sine, turn[2, 2]),
        np.arctan2(turn[2, 0], turn[2, 1]),
    )
    if abs(first) > np.pi / 2:
        first, second, third = first - np.copysign(np.pi, first), -second, third - np.copysign(np.pi, third)
    return float(first), float(second), float(third)


def _about_zxy(turn: np.ndarray) -> tuple[float, float, float]:
    first, second, third = Rotation.from_matrix(turn).as_euler("ZXY")
    return float(first), float(second), float(third)


# Which way each axis of a root points in the model: shoulders turn about -z, x, z on the left and z, -x, -z on the right,
# hips about -z, x, -y on the left and -z, -x, -y on the right.
_ARM = _Limb(("shoulder", "elbow", "wrist"), _about_zxz, ((-1, 1), (1, -1), (1, -1)), 1.0)
_LEG = _Limb(("hip", "knee", "ankle"), _about_zxy, ((-1, -1), (1, -1), (-1, -1)), -1.0)


def _at(joints: np.ndarray, side: str, part: str) -> np.ndarray:
    return joints[JOINT_INDEX[f"{SIDES[side][0]}_{part}"]]


def _middle(joints: np.ndarray, part: str) -> np.ndarray:
    return (_at(joints, "l", part) + _at(joints, "r", part)) / 2


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)

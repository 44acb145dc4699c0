"""A pose as a handful of anatomical angles, and the joint rotations that they mean.

All angles in rad. A pair (N, 2) is left, right; the right side mirrors the left, so equal numbers are a symmetric pose.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from refit_ros.core.joints import JOINT_INDEX


@dataclass
class Angles:
    """Angles of N poses. Flexion is positive the way the joint closes: hip, shoulder and spine bend forward."""

    tilt: Tensor  # (N,) pelvis, forward
    sway: Tensor  # (N,) pelvis, to the left side
    bend: Tensor  # (N,) spine, forward
    lean: Tensor  # (N,) spine, sideways
    twist: Tensor  # (N,) spine, to the left
    nod: Tensor  # (N,) head, forward
    cock: Tensor  # (N,) head, sideways
    look: Tensor  # (N,) head, to the left
    hip_flex: Tensor  # (N, 2)
    hip_out: Tensor  # (N, 2) legs apart
    hip_turn: Tensor  # (N, 2) toes outwards
    knee: Tensor  # (N, 2)
    ankle: Tensor  # (N, 2) toes down
    toes: Tensor  # (N, 2) toes up
    arm_down: Tensor  # (N, 2) from the T-pose down to the side; negative: up
    arm_flex: Tensor  # (N, 2) then forward about the axis through both shoulders
    arm_turn: Tensor  # (N, 2) about the upper arm: palm upwards
    elbow: Tensor  # (N, 2)
    forearm: Tensor  # (N, 2) about the forearm
    wrist: Tensor  # (N, 2) palm towards the forearm
    wrist_side: Tensor  # (N, 2) towards the thumb

    def __len__(self) -> int:
        return self.tilt.shape[0]

    def where(self, condition: Tensor, other: Angles) -> Angles:
        """These where `condition` (N,) holds, else the other's."""

        def pick(name: str) -> Tensor:
            mine = getattr(self, name)
            return torch.where(condition if mine.dim() == 1 else condition[:, None], mine, getattr(other, name))

        return Angles(**{f.name: pick(f.name) for f in fields(self)})


def zero_angles(count: int, device: torch.device | str = "cpu") -> Angles:
    """The T-pose."""
    pairs = {f.name for f in fields(Angles)} - {"tilt", "sway", "bend", "lean", "twist", "nod", "cock", "look"}
    return Angles(
        **{f.name: torch.zeros((count, 2) if f.name in pairs else (count,), device=device) for f in fields(Angles)}
    )


def turn(axis: str, angle: Tensor) -> Tensor:
    """Rotation about x, y or z by `angle` (...) rad -> (..., 3, 3)."""
    c, s = torch.cos(angle), torch.sin(angle)
    one, zero = torch.ones_like(c), torch.zeros_like(c)
    rows = {
        "x": (one, zero, zero, zero, c, -s, zero, s, c),
        "y": (c, zero, s, zero, one, zero, -s, zero, c),
        "z": (c, -s, zero, s, c, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def rotmats_from_angles(angles: Angles) -> Tensor:
    """-> (N, 24, 3, 3): the pelvis in SMPL's rest frame (y up, face to +z), the others relative to their parents."""
    device = angles.tilt.device
    rotmats = torch.eye(3, device=device).repeat(len(angles), 24, 1, 1)

    def put(name: str, value: Tensor) -> None:
        rotmats[:, JOINT_INDEX[name]] = value

    put("pelvis", turn("x", angles.tilt) @ turn("z", angles.sway))
    for name, share in (("spine1", 0.4), ("spine2", 0.3), ("spine3", 0.3)):
        put(name, turn("y", share * angles.twist) @ turn("z", share * angles.lean) @ turn("x", share * angles.bend))
    for name, share in (("neck", 0.45), ("head", 0.55)):
        put(name, turn("y", share * angles.look) @ turn("z", share * angles.cock) @ turn("x", share * angles.nod))
    for side, (label, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        a = {f.name: getattr(angles, f.name)[:, side] for f in fields(Angles) if getattr(angles, f.name).dim() == 2}
        put(f"{label}_hip", turn("x", -a["hip_flex"]) @ turn("z", sign * a["hip_out"]) @ turn("y", sign * a["hip_turn"]))
        put(f"{label}_knee", turn("x", a["knee"]))
        put(f"{label}_ankle", turn("x", a["ankle"]))
        put(f"{label}_foot", turn("x", -a["toes"]))
        # The shoulder girdle takes about a third of what the arm is raised above the horizontal.
        raised = (-a["arm_down"]).clamp(min=0) + (a["arm_flex"] - 1.2).clamp(min=0)
        girdle = (0.3 * raised).clamp(max=0.5)
        put(f"{label}_collar", turn("z", sign * girdle))
        put(
            f"{label}_shoulder",
            turn("x", -a["arm_flex"]) @ turn("z", -sign * (a["arm_down"] + girdle * 0.5)) @ turn("x", -a["arm_turn"]),
        )
        put(f"{label}_elbow", turn("y", -sign * a["elbow"]) @ turn("x", -a["forearm"]))
        put(f"{label}_wrist", turn("z", -sign * a["wrist"]) @ turn("y", -sign * a["wrist_side"]))
    return rotmats

"""SMPL's 24 joints: one ordered list of names, from which every index in this project comes."""

from __future__ import annotations

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
"""In the order of SMPL's kinematic tree, with smplx's names."""

JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}

_PARENT_OF = {
    "left_hip": "pelvis",
    "right_hip": "pelvis",
    "spine1": "pelvis",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "spine2": "spine1",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
    "spine3": "spine2",
    "left_foot": "left_ankle",
    "right_foot": "right_ankle",
    "neck": "spine3",
    "left_collar": "spine3",
    "right_collar": "spine3",
    "head": "neck",
    "left_shoulder": "left_collar",
    "right_shoulder": "right_collar",
    "left_elbow": "left_shoulder",
    "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow",
    "right_wrist": "right_elbow",
    "left_hand": "left_wrist",
    "right_hand": "right_wrist",
}

PARENTS: tuple[int, ...] = tuple(JOINT_INDEX[_PARENT_OF[name]] if name in _PARENT_OF else -1 for name in JOINT_NAMES)
"""Each joint's parent; the pelvis has none (-1). Parents come before their children."""


def _above() -> tuple[list[int], ...]:
    none = len(PARENTS)
    steps = [[none if parent < 0 else parent for parent in PARENTS] + [none]]
    while any(one != none for one in steps[-1]):
        steps.append([steps[-1][one] for one in steps[-1]])
    return tuple(steps[:-1])


ABOVE: tuple[list[int], ...] = _above()
"""Of each joint, and of one that is none (24), who stands 1, 2, 4 and 8 above it in the tree, none if nobody.

So what is relative to the parents is carried along all branches in four rounds of all joints at once (Hillis and Steele,
Communications of the ACM 29, 1986), in place of nine levels.
"""


def _mirrored_name(name: str) -> str:
    side, _, rest = name.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)


MIRRORED: tuple[int, ...] = tuple(JOINT_INDEX[_mirrored_name(name)] for name in JOINT_NAMES)
"""The joint that takes each joint's place in a mirror: left and right exchanged."""

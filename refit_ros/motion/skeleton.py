"""Turning a person into another world, bones from estimated joints, and joints from bones: SMPL's tree, numpy only."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import PARENTS

# a_from_b takes coordinates in b to coordinates in a.
Z_UP_FROM_OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # REP 103: x forward, y left, z up
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # what glTF, BVH and OpenSim take


def turned(poses: np.ndarray, points: np.ndarray, to_from: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """poses (T, 24, 3) rad and points (T, ..., 3) m in another world: only the pelvis' rotation turns with it."""
    poses = poses.copy()
    poses[:, 0] = (Rotation.from_matrix(to_from) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    return poses, points @ to_from.T


def world_rotmats(poses: np.ndarray) -> np.ndarray:
    """poses (T, 24, 3) rad -> (T, 24, 3, 3) of each joint in the world, composed along the tree."""
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
    result = local.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            result[:, joint] = result[:, parent] @ local[:, joint]
    return result


def rest_bones(poses: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """poses (T, 24, 3) rad, joints (T, 24, 3) m -> (T, 24, 3) m from its parent, at rest; 0 at the pelvis.

    SMPL's joints are its bones turned by the joints above, so that turning back gives them, without the body's file.
    """
    world = world_rotmats(poses)
    bones = np.zeros_like(joints)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            bones[:, joint] = np.einsum("tji,tj->ti", world[:, parent], joints[:, joint] - joints[:, parent])
    return bones


def bones_of(rest_joints: np.ndarray) -> np.ndarray:
    """(24, 3) m -> (24, 3) m from each joint's parent to it; 0 at the pelvis."""
    parents = np.array([max(parent, 0) for parent in PARENTS])
    return rest_joints - rest_joints[parents]


def posed_joints(bones: np.ndarray, poses: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """bones (24, 3) m, poses (T, 24, 3) rad, pelvis (T, 3) m -> (T, 24, 3) m."""
    world = world_rotmats(poses)
    joints = np.empty_like(poses)
    joints[:, 0] = pelvis
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            joints[:, joint] = joints[:, parent] + world[:, parent] @ bones[joint]
    return joints

"""A motion as BVH (Biovision hierarchy): y up, centimetres and degrees, as Blender, MotionBuilder and Maya read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.core.plain_files import whole_file
from refit_ros.motion.skeleton import Y_UP_FROM_Z_UP, bones_of, turned
from refit_ros.motion.types import Motion

CM = 100.0
ORDER = "ZXY"  # of the rotations, each about the axes that those before it have turned: the order most files have
END_BONE_CM = 8.0  # of the bones behind hands, feet and head, which SMPL does not have
_CHILDREN = {joint: [child for child, parent in enumerate(PARENTS) if parent == joint] for joint in range(len(PARENTS))}


def write_bvh(motion: Motion, path: Path) -> None:
    with whole_file(path) as file:
        file.write(bvh_text(motion).encode())


def bvh_text(motion: Motion) -> str:
    """The file's text. The rest pose is SMPL's; its root stands at 0, so that the root's position is the pelvis'."""
    bones_cm = CM * bones_of(motion.rest_joints)
    lines: list[str] = ["HIERARCHY"]
    order: list[int] = []
    _joint_lines(0, bones_cm, "", lines, order)
    poses, pelvis = turned(motion.poses, motion.pelvis, Y_UP_FROM_Z_UP)
    values = np.concatenate([CM * pelvis, _angles_deg(poses[:, order])], axis=1)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / motion.rate_hz:.8f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values]
    return "\n".join(lines) + "\n"


def _joint_lines(joint: int, bones_cm: np.ndarray, indent: str, lines: list[str], order: list[int]) -> None:
    """The tree, depth first, as the format wants it; `order` gets the joints in the order of their channels."""
    order.append(joint)
    rotations = " ".join(f"{axis}rotation" for axis in ORDER)
    places = "" if joint else "Xposition Yposition Zposition "
    lines += [
        f"{indent}{'JOINT' if joint else 'ROOT'} {JOINT_NAMES[joint]}",
        indent + "{",
        f"{indent}  OFFSET {_numbers(bones_cm[joint])}",
        f"{indent}  CHANNELS {3 if joint else 6} {places}{rotations}",
    ]
    for child in _CHILDREN[joint]:
        _joint_lines(child, bones_cm, indent + "  ", lines, order)
    if not _CHILDREN[joint]:
        along = bones_cm[joint] / max(float(np.linalg.norm(bones_cm[joint])), 1e-9) * END_BONE_CM
        lines += [f"{indent}  End Site", indent + "  {", f"{indent}    OFFSET {_numbers(along)}", indent + "  }"]
    lines.append(indent + "}")


def _angles_deg(poses: np.ndarray) -> np.ndarray:
    """(T, J, 3) rad -> (T, 3 J) deg about Z, X and Y, without jumps of a whole turn between frames."""
    import warnings

    with warnings.catch_warnings():  # at the pole the third angle is free, and 0 is as good as any
        warnings.simplefilter("ignore", UserWarning)
        angles = Rotation.from_rotvec(poses.reshape(-1, 3)).as_euler(ORDER, degrees=True)
    return np.unwrap(angles.reshape(len(poses), -1), period=360.0, axis=0)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)

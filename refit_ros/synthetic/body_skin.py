"""Skinning weights, shape directions, joint regressor, markers and joint limits for a surface in the rest pose."""

from __future__ import annotations

import numpy as np

from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, MIRRORED, PARENTS
from refit_ros.synthetic.body_surface import REST_JOINTS_M, SOLE_Y_M

J = JOINT_INDEX
# Where each part's bone ends: the next joint along the limb, or a point for those that have none.
_NEXT = {
    "pelvis": "spine1",
    "left_hip": "left_knee",
    "spine1": "spine2",
    "left_knee": "left_ankle",
    "spine2": "spine3",
    "left_ankle": "left_foot",
    "spine3": "neck",
    "neck": "head",
    "left_collar": "left_shoulder",
    "left_shoulder": "left_elbow",
    "left_elbow": "left_wrist",
    "left_wrist": "left_hand",
}
_TIPS_M = {"left_foot": (0.12, -1.17, 0.15), "head": (0, 0.55, 0.03), "left_hand": (0.85, 0.214, -0.055)}

SHAPE_NAMES = (
    "stature",
    "girth",
    "leg_length",
    "arm_length",
    "shoulder_width",
    "hip_width",
    "torso_length",
    "head_size",
    "belly",
    "limb_thickness",
)
_LIMBS = ("hip", "knee", "shoulder", "elbow")
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "collar")


def _side(name: str) -> str:
    return name.partition("_")[2] or name


def _hard_parts(points: np.ndarray) -> np.ndarray:
    """The joint that moves each point of the left half, boundaries at the joints. (V, 3) -> (V,)."""
    x, y, z = points.T
    part = np.full(len(points), J["pelvis"])
    for name, above in (("spine1", -0.12), ("spine2", 0.02), ("spine3", 0.08), ("neck", 0.28)):
        part[y > above] = J[name]
    part[y + 0.5 * (z - 0.03) > 0.35] = J["head"]
    arm = (y > 0.13) & (y < 0.3) & (y + 0.5 * (z - 0.03) < 0.35)
    for name, beyond in (("collar", 0.075), ("shoulder", 0.17), ("elbow", 0.43), ("wrist", 0.68), ("hand", 0.76)):
        part[arm & (x > beyond) & ((x > 0.165) | (y > 0.16))] = J[f"left_{name}"]
    leg = y < -0.335 + 0.6 * (x - 0.075)
    part[leg] = J["left_hip"]
    part[y < -0.70] = J["left_knee"]
    part[y < -1.10] = J["left_ankle"]
    part[(y < -1.10) & (z > 0.08)] = J["left_foot"]
    return part


def skin_weights(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 24): hard parts made smooth by diffusing them along the surface (implicit heat flow); rows sum to 1."""
    part = _hard_parts(np.concatenate([np.abs(vertices[:, :1]), vertices[:, 1:]], axis=1))
    part = np.where(vertices[:, 0] < 0, np.array(MIRRORED)[part], part)
    hard = np.eye(24)[part]
    centre = vertices[:, 0] == 0  # where the halves meet, both sides' parts share
    hard[centre] = (hard[centre] + hard[centre][:, list(MIRRORED)]) / 2
    narrow, wide = (_diffuse(vertices, faces, hard, reach) for reach in (0.022, 0.045))
    trunk = wide[:, [J[n] for n in JOINT_NAMES if _side(n) in (*_TRUNK, "hip", "shoulder")]].sum(1, keepdims=True)
    weights = trunk * wide + (1 - trunk) * narrow
    weights[weights < 0.01] = 0
    return weights / weights.sum(1, keepdims=True)


def _diffuse(vertices: np.ndarray, faces: np.ndarray, values: np.ndarray, reach_m: float) -> np.ndarray:
    """Solves (M + reach^2 L) x = M values with the cotangent Laplacian L and the vertices' areas M."""
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    count = len(vertices)
    rows, columns, entries = [], [], []
    area = np.zeros(count)
    for k in range(3):
        a, b, c = (faces[:, (k + i) % 3] for i in range(3))
        u, v = vertices[a] - vertices[c], vertices[b] - vertices[c]
        cross = np.linalg.norm(np.cross(u, v), axis=1)
        half_cotangent = np.maximum((u * v).sum(1) / np.maximum(cross, 1e-12), 0.01) / 2
        rows += [a, b]
        columns += [b, a]
        entries += [half_cotangent, half_cotangent]
        np.add.at(area, c, cross / 6)
    near = coo_matrix((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), (count, count)).tocsr()
    laplacian = diags(np.asarray(near.sum(1)).ravel()) - near
    return splu((diags(area) + reach_m**2 * laplacian).tocsc()).solve(area[:, None] * values)


def _bone_ends() -> np.ndarray:
    """(24, 3) m: where the bone that begins at each joint ends."""
    ends = np.zeros((24, 3))
    for name in JOINT_NAMES:
        mirrored = name.startswith("right_")
        left = JOINT_NAMES[MIRRORED[J[name]]] if mirrored else name
        end = np.array(_TIPS_M[left]) if left in _TIPS_M else REST_JOINTS_M[J[_NEXT[left]]]
        ends[J[name]] = end * [-1, 1, 1] if mirrored else end
    return ends


def _tree_move(step: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """(24, 3) m: joints moved when each named joint's offset from its parent grows by `step` (given for the left)."""
    moved = np.zeros((24, 3))
    for index, name in enumerate(JOINT_NAMES):
        own = np.array(step.get(_side(name), (0, 0, 0)), float)
        moved[index] = (moved[PARENTS[index]] if index else 0) + (own * [-1, 1, 1] if name.startswith("right_") else own)
    return moved


def _stretch(**scale: float | tuple[float, float, float]) -> np.ndarray:
    """(24, 3): how much wider each part gets along x, y, z, away from its bone."""
    return np.array([np.broadcast_to(scale.get(_side(name), 0.0), 3) for name in JOINT_NAMES], float)


def _grow(fraction: float) -> dict[str, np.ndarray]:
    return {
        _side(name): fraction * (REST_JOINTS_M[j] - REST_JOINTS_M[PARENTS[j]])
        for j, name in enumerate(JOINT_NAMES)
        if j and not name.startswith("right_")
    }


def _directions() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each shape name: joints' moves (24, 3) m, parts' widening (24, 3), move of the bones' last ends (24, 3) m."""
    still, ends = np.zeros((24, 3)), _bone_ends()
    tips = np.isin(np.arange(24), [j for j, n in enumerate(JOINT_NAMES) if _side(n) in ("foot", "head", "hand")])
    tip = np.where(tips[:, None], ends - REST_JOINTS_M, 0)
    limb = dict.fromkeys(_LIMBS, 0.10)
    legs = {"knee": (0, -0.026, 0), "ankle": (0, -0.022, 0)}
    arms = {"elbow": (0.014, 0, 0), "wrist": (0.014, 0, 0), "hand": (0.002, 0, 0)}
    torso = {
        "spine1": (0, 0.008, 0),
        "spine2": (0, 0.010, 0),
        "spine3": (0, 0.005, 0),
        "neck": (0, 0.012, 0),
        "collar": (0, 0.010, 0),
        "head": (0, 0.003, 0),
    }
    return [
        (_tree_move(_grow(0.038)), _stretch(**{_side(n): 0.038 for n in JOINT_NAMES}), 0.038 * tip),
        (
            _tree_move({"hip": (0.004, 0, 0), "shoulder": (0.004, 0, 0)}),
            _stretch(**dict.fromkeys(_TRUNK, 0.11), **dict.fromkeys(_LIMBS, 0.08), neck=0.05, ankle=0.03, wrist=0.04),
            still,
        ),
        (_tree_move(legs), still, still),
        (_tree_move(arms), still, still),
        (
            _tree_move({"collar": (0.006, 0, 0), "shoulder": (0.011, 0, 0)}),
            _stretch(spine3=(0.09, 0, 0.02), spine2=(0.05, 0, 0.01), collar=(0, 0.04, 0.06)),
            still,
        ),
        (
            _tree_move({"hip": (0.008, 0, 0)}),
            _stretch(pelvis=(0.10, 0, 0.05), spine1=(0.03, 0, 0), hip=(0.06, 0, 0.04)),
            still,
        ),
        (_tree_move(torso), still, still),
        (
            _tree_move({"head": (0, 0.002, 0)}),
            _stretch(head=0.055, neck=0.02),
            0.055 * tip * (np.arange(24) == J["head"])[:, None],
        ),
        (still, _stretch(spine1=(0.06, 0, 0.05), spine2=(0.05, 0, 0.04), pelvis=(0.02, 0, 0.03)), still),
        (still, _stretch(**limb, wrist=0.04, ankle=0.05, foot=0.03, hand=0.04), still),
    ]


def shape_directions(vertices: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape directions of the surface (V, 3, 10) and of the joints (24, 3, 10), m for one sigma.

    Joints move; each part's points move with their place along its bone and away from it.
    """
    ends = _bone_ends()
    bone = ends - REST_JOINTS_M
    along = np.einsum("vjc,jc->vj", vertices[:, None] - REST_JOINTS_M, bone) / (bone**2).sum(1)
    along = np.clip(along, 0, 1)
    away = vertices[:, None] - (REST_JOINTS_M + along[..., None] * bone)
    end_joint = np.array([next((k for k in range(24) if np.allclose(REST_JOINTS_M[k], ends[j])), -1) for j in range(24)])
    points, joints = [], []
    for moved, widened, tip in _directions():
        at_end = np.where(end_joint[:, None] >= 0, moved[end_joint], moved + tip)
        per_part = (1 - along[..., None]) * moved + along[..., None] * at_end + away * widened
        points.append(np.einsum("vj,vjc->vc", weights, per_part))
        joints.append(moved)
    points, joints = np.stack(points, -1), np.stack(joints, -1)
    x, y, z = vertices.T
    belly = np.exp(-(((y + 0.09) / 0.11) ** 2) - (x / 0.13) ** 2) * np.clip((z + 0.02) / 0.1, 0, 1)
    points[:, 2, SHAPE_NAMES.index("belly")] += 0.034 * belly
    sides = np.exp(-(((y + 0.09) / 0.11) ** 2)) * np.clip(x / 0.14, -1, 1) * (np.abs(x) < 0.2)
    points[:, 0, SHAPE_NAMES.index("belly")] += 0.012 * sides
    return points, joints


def joint_regressor(
    vertices: np.ndarray,
    shapedirs: np.ndarray,
    joint_shapes: np.ndarray,
    mirror: np.ndarray,
    rest_joints: np.ndarray = REST_JOINTS_M,
    nearest: int = 160,
) -> tuple[np.ndarray, float]:
    """(24, V), not negative, rows sum to 1, that gives the joints of every shape; and its largest miss in m."""
    from scipy.optimize import nnls

    values = np.concatenate([vertices[:, :, None], shapedirs * 3], -1).reshape(len(vertices), -1)
    wanted = np.concatenate([rest_joints[:, :, None], joint_shapes * 3], -1).reshape(24, -1)
    regressor = np.zeros((24, len(vertices)))
    for j, name in enumerate(JOINT_NAMES):
        if name.startswith("right_"):
            continue
        near = np.argsort(np.linalg.norm(vertices - rest_joints[j], axis=1))[:nearest]
        if rest_joints[j, 0] == 0:
            near = np.union1d(near, mirror[near])
        system = np.concatenate([values[near].T, np.full((1, len(near)), 10.0)])
        row, _ = nnls(system, np.append(wanted[j], 10.0))
        regressor[j, near] = row / row.sum()
        if rest_joints[j, 0] == 0:
            regressor[j] = (regressor[j] + regressor[j, mirror]) / 2
        else:
            regressor[MIRRORED[j], mirror] = regressor[j]
    return regressor, float(np.abs(regressor @ values - wanted).max())


def pick_markers(vertices: np.ndarray, weights: np.ndarray, mirror: np.ndarray, sole_y_m: float = SOLE_Y_M) -> np.ndarray:
    """67 vertices spread over the body: 32 on the left by farthest points, their mirror images, 3 in the middle.

    As with the published ones, head, hands and feet get more than their share of the surface.
    """
    fine = weights[:, [J[f"{side}_{n}"] for side in ("left", "right") for n in ("ankle", "foot", "wrist", "hand")]].sum(1)
    fine = fine + 0.5 * weights[:, [J[f"{side}_{n}"] for side in ("left", "right") for n in ("knee", "elbow")]].sum(1)
    fine = fine + 0.4 * weights[:, J["head"]]
    left = np.flatnonzero((vertices[:, 0] > 0.035) & (np.abs(vertices[:, 1] - sole_y_m) > 0.004))
    middle = np.flatnonzero(vertices[:, 0] == 0)
    targets = np.array([[0, 0.42, 0.16], [0, 0.12, 0.12], [0, 0.0, -0.1]])
    centre = [int(middle[np.linalg.norm(vertices[middle] - t, axis=1).argmin()]) for t in targets]
    chosen: list[int] = []
    distance = np.linalg.norm(vertices[left, None] - vertices[centre], axis=-1).min(1) * (1 + 0.9 * fine[left])
    while len(chosen) < 32:
        new = left[distance.argmax()]
        chosen.append(int(new))
        distance = np.minimum(distance, np.linalg.norm(vertices[left] - vertices[new], axis=1) * (1 + 0.9 * fine[left]))
    return np.array(sorted(chosen) + [int(mirror[i]) for i in sorted(chosen)] + centre, np.int64)


# Axis-angle limits in degrees (x low, x high, y low, y high, z low, z high) of the left and the middle joints.
_LIMITS_DEG = {
    "hip": (-120, 30, -45, 45, -25, 45),
    "spine1": (-15, 35, -25, 25, -20, 20),
    "knee": (-3, 140, -10, 10, -6, 6),
    "spine2": (-12, 25, -20, 20, -15, 15),
    "ankle": (-30, 45, -20, 20, -20, 20),
    "spine3": (-12, 25, -20, 20, -15, 15),
    "foot": (-30, 20, -5, 5, -5, 5),
    "neck": (-30, 35, -40, 40, -25, 25),
    "collar": (-10, 10, -20, 15, -10, 35),
    "head": (-25, 30, -40, 40, -20, 20),
    "shoulder": (-90, 90, -130, 60, -95, 100),
    "elbow": (-70, 70, -145, 5, -25, 25),
    "wrist": (-60, 60, -30, 30, -60, 60),
    "hand": (-15, 15, -15, 15, -40, 15),
}


def joint_limits_rad() -> np.ndarray:
    """(23, 3, 2): lowest and highest axis-angle numbers of each joint below the pelvis."""
    limits = np.zeros((23, 3, 2))
    for j, name in enumerate(JOINT_NAMES[1:]):
        low_high = np.radians(np.array(_LIMITS_DEG[_side(name)], float)).reshape(3, 2)
        if name.startswith("right_"):  # a mirror in x turns rotations about y and z round
            low_high[1:] = -low_high[1:, ::-1]
        limits[j] = low_high
    return limits

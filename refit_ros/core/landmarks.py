"""Landmarks: points of a person that other networks find in images, and where they lie on the body.

One list holds them all. A source of keypoints has a layout, which says which landmark each of its points is; those that
it does not have get visibility 0. On the body each is a fixed mixture of joints and vertices, found by where they lie in
the rest pose, so that any body in SMPL's format has them; its file may name vertices.
"""

from __future__ import annotations

import numpy as np

from refit_ros.core.body_files import BodyArrays
from refit_ros.core.joints import JOINT_INDEX


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


BLAZEPOSE_33: tuple[str, ...] = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "left_mouth",
    "right_mouth",
    *_both("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "big_toe"),
)
COCO_17: tuple[str, ...] = ("nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
HALPE_26: tuple[str, ...] = (*COCO_17, "head_top", "neck", "mid_hip", *_both("big_toe", "small_toe", "heel"))

LANDMARK_NAMES: tuple[str, ...] = (*BLAZEPOSE_33, "head_top", "neck", "mid_hip", "left_small_toe", "right_small_toe")
"""In the order of the network's evidence; sides are the person's own."""
LANDMARK_INDEX: dict[str, int] = {name: index for index, name in enumerate(LANDMARK_NAMES)}
HIPS: tuple[int, int] = (LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"])
"""Places in 3D are told from the middle between these."""

LAYOUTS: dict[str, tuple[str, ...]] = {"blazepose": BLAZEPOSE_33, "coco": COCO_17, "halpe": HALPE_26}
"""What point i of a source is, by the name of its layout."""


def _mirrored(name: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


MIRRORED_LANDMARKS: tuple[int, ...] = tuple(LANDMARK_INDEX[_mirrored(name)] for name in LANDMARK_NAMES)
"""Of each landmark the one on the other side; itself in the middle."""


def layout_indices(layout: str) -> np.ndarray:
    """(n,) which landmark each point of a layout is. Raises ValueError for a name that is none."""
    if layout not in LAYOUTS:
        raise ValueError(f"keypoint layout '{layout}' is unknown; there are {', '.join(LAYOUTS)}")
    return np.array([LANDMARK_INDEX[name] for name in LAYOUTS[layout]])


# Hips of image annotations lie further out and higher than the joint in which the leg turns.
_HIP_OUT, _HIP_UP = 1.4, 0.12
_SURFACE = {  # in shares of the body's height: outwards, below the crown, for what lies on the head's front
    "nose": (0.0, 0.086),
    "eye_inner": (0.010, 0.067),
    "eye": (0.018, 0.067),
    "eye_outer": (0.027, 0.068),
    "mouth": (0.014, 0.105),
}
_EAR_BELOW = 0.075
_HAND = {"pinky": (1.0, -0.016), "index": (1.0, 0.012), "thumb": (0.5, 0.022)}  # along wrist to hand, then thumbwards


def landmark_mixture(arrays: BodyArrays) -> tuple[tuple[int, ...], np.ndarray]:
    """Vertices (M of them) and weights (K, 24 + M): landmarks = weights @ [joints, those vertices]."""
    finder = _Finder(arrays)
    rows = [finder.mixture(name) for name in LANDMARK_NAMES]
    vertices = sorted({key for row in rows for key in row if isinstance(key, int)})
    column = {name: index for name, index in JOINT_INDEX.items()} | {v: 24 + i for i, v in enumerate(vertices)}
    weights = np.zeros((len(rows), 24 + len(vertices)), np.float32)
    for row, mixture in zip(weights, rows):
        for key, weight in mixture.items():
            row[column[key]] += weight
    return tuple(vertices), weights


class _Finder:
    """Finds landmarks on a rest pose: y up, the face towards +z, arms along x, the left one to +x."""

    def __init__(self, arrays: BodyArrays) -> None:
        self.known = arrays.landmarks
        self.vertices = np.asarray(arrays.v_template, np.float64)
        self.joints = np.asarray(arrays.J_regressor, np.float64) @ self.vertices
        self.owner = np.asarray(arrays.weights).argmax(1)
        self.low, self.high = self.vertices[:, 1].min(), self.vertices[:, 1].max()
        self.height = self.high - self.low

    def mixture(self, name: str) -> dict[str | int, float]:
        """Weights, which sum to 1, by joint's name or vertex."""
        if name in self.known:
            return {self.known[name]: 1.0}
        side, _, part = name.partition("_")
        if side not in ("left", "right"):
            side, part = "", name
        if part in ("shoulder", "elbow", "wrist", "knee", "ankle"):
            return {name: 1.0}
        if part == "hip":
            return self._hip(side)
        if name == "mid_hip":
            left, right = self._hip("left"), self._hip("right")
            return {key: (left.get(key, 0.0) + right.get(key, 0.0)) / 2 for key in {*left, *right}}
        if name == "neck":
            return {"left_shoulder": 0.25, "right_shoulder": 0.25, "neck": 0.5}
        return {self._vertex(side, part): 1.0}

    def _hip(self, side: str) -> dict[str | int, float]:
        other = "right" if side == "left" else "left"
        out = (_HIP_OUT - 1) / 2
        return {f"{side}_hip": 1 + out - _HIP_UP, f"{other}_hip": -out, "spine1": _HIP_UP}

    def _vertex(self, side: str, part: str) -> int:
        sign = {"left": 1.0, "right": -1.0, "": 0.0}[side]
        if part == "head_top":
            return self._nearest(np.array([0, self.high, self._joint("head")[2]]), ("head",))
        if part in _SURFACE:
            out, below = _SURFACE[part]
            return self._front(sign * out * self.height, self.high - below * self.height)
        if part == "ear":
            place = np.array([sign * 0.05 * self.height, self.high - _EAR_BELOW * self.height, self._joint("head")[2]])
            return self._nearest(place, ("head",))
        if part in _HAND:
            along, thumbwards = _HAND[part]
            wrist, hand = self._joint(f"{side}_wrist"), self._joint(f"{side}_hand")
            place = wrist + along * (hand - wrist) + np.array([0, 0, thumbwards * self.height])
            return self._nearest(place, (f"{side}_wrist", f"{side}_hand"))
        return self._of_foot(side, sign, part)

    def _of_foot(self, side: str, sign: float, part: str) -> int:
        owners = (f"{side}_ankle", f"{side}_foot")
        foot = self.vertices[self._owned(owners)]
        low, back, front = foot[:, 1].min(), foot[:, 2].min(), foot[:, 2].max()
        out, z = {"heel": (0.0, back), "big_toe": (-0.012, front), "small_toe": (0.022, back + 0.82 * (front - back))}[part]
        middle = self._joint(f"{side}_ankle" if part == "heel" else f"{side}_foot")[0]
        return self._nearest(np.array([middle + sign * out * self.height, low + 0.012 * self.height, z]), owners)

    def _joint(self, name: str) -> np.ndarray:
        return self.joints[JOINT_INDEX[name]]

    def _owned(self, owners: tuple[str, ...]) -> np.ndarray:
        return np.flatnonzero(np.isin(self.owner, [JOINT_INDEX[name] for name in owners]))

    def _nearest(self, place: np.ndarray, owners: tuple[str, ...]) -> int:
        """The vertex nearest to `place` of those that move mostly with `owners`."""
        picked = self._owned(owners)
        return int(picked[np.square(self.vertices[picked] - place).sum(1).argmin()])

    def _front(self, x: float, y: float) -> int:
        """The vertex of the head's front that is nearest to (x, y) as seen from before it."""
        picked = self._owned(("head",))
        picked = picked[self.vertices[picked, 2] > self._joint("head")[2]]
        return int(picked[np.square(self.vertices[picked, :2] - (x, y)).sum(1).argmin()])

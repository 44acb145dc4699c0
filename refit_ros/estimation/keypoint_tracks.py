"""Who is whom among landmarks: those that lie where a followed person is expected, in each camera by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from refit_ros.camera.geometry import around
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.landmarks import LANDMARK_INDEX
from refit_ros.detection.landmarks import Landmarks

_LIMBS = tuple(
    f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in ("left", "right")
)
_JOINTS, _LANDMARKS = ([index[name] for name in _LIMBS] for index in (JOINT_INDEX, LANDMARK_INDEX))
FAR = 0.25  # of the size in the image: landmarks that are on average farther from where somebody is expected are another's
MARGIN = 0.12  # of the box in which a followed person is looked for


@dataclass
class Followed:
    """Somebody who was seen before."""

    joints: np.ndarray  # (24, 3) m, fixed frame, at the last sight
    seen_s: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))  # m/s
    hits: int = 1
    number: int | None = None  # given when published for the first time

    def expected(self, stamp_s: float) -> np.ndarray:
        """(24, 3) m where the joints should be now."""
        return self.joints + self.velocity * min(max(stamp_s - self.seen_s, 0.0), 0.5)

    def seen(self, joints: np.ndarray, stamp_s: float) -> None:
        passed_s = stamp_s - self.seen_s
        if passed_s > 0.001:
            self.velocity = 0.5 * self.velocity + 0.5 * (joints[0] - self.joints[0]) / passed_s
        self.joints, self.seen_s, self.hits = joints, stamp_s, self.hits + 1


def expected_px(someone: Followed, camera: Camera, stamp_s: float) -> np.ndarray | None:
    """(12, 2) px of the limbs in a camera's raw image; None where it cannot see them."""
    points = camera.to_camera(someone.expected(stamp_s)[_JOINTS])
    if (points[:, 2] < 0.2).any() or not camera.calibration.sees(points).any():
        return None
    return camera.calibration.project(points)


def expected_box(px: np.ndarray) -> np.ndarray:
    """(4,) px to look for somebody in whose limbs are expected at px (12, 2)."""
    box = around(px)
    margin = MARGIN * (box[2:] - box[:2]).max()
    return box + np.array([-margin, -2 * margin, margin, margin])  # the head lies above the limbs


def assign(found: Landmarks, expected: Sequence[np.ndarray | None]) -> dict[int, int]:
    """Landmarks (N people) -> index of the expected person each of them is; those who are nobody's are missing."""
    cost = np.full((len(found), len(expected)), 10.0)
    for column, px in enumerate(expected):
        if px is None:
            continue
        box = around(px)
        size = max((box[2:] - box[:2]).max(), 8.0)
        for row in range(len(found)):
            weight = found.visibility[row, _LANDMARKS]
            off = np.linalg.norm(found.place_px[row, _LANDMARKS] - px, axis=1)
            cost[row, column] = (weight * off).sum() / max(weight.sum(), 1e-6) / size
    rows, columns = linear_sum_assignment(cost)
    return {int(row): int(column) for row, column in zip(rows, columns) if cost[row, column] < FAR}

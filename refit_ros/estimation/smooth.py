"""Steadying a person over time: the one-euro filter on numbers and on rotations, and a shape that settles.

One-euro (Casiez, Roussel and Vogel, CHI 2012): a low-pass whose cutoff rises with speed, so that a still person does
not tremble and a moving one does not lag. On rotations the same filter runs on SO(3): the step towards the new
rotation is taken along the geodesic, and speed is the angle per second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from refit_ros.camera.geometry import axis_angle_from_matrix, matrix_from_axis_angle
from refit_ros.estimation.pose import Pose

SPEED_CUTOFF_HZ = 1.5
SLOWEST_CUTOFF_HZ, QUICKEST_CUTOFF_HZ = 0.5, 12.0  # of a still person, at smoothing 1 and just above 0
# How much the cutoff rises with speed: Hz for each rad/s or m/s.
ROTATION_GAIN, PLACE_GAIN = 4.0, 25.0
# Below these speeds nobody moves: it is the estimates that tremble.
STILL_RAD_S, STILL_M_S = 0.3, 0.12
LONGEST_STEP_S = 1.0  # after a longer one a filter starts afresh
SHAPE_MEMORY = 200  # views over which a person's shape is averaged at most


def still_cutoff_hz(smoothing: float) -> float:
    """Cutoff for somebody who stands still, falling geometrically with `smoothing` (0, 1]."""
    return QUICKEST_CUTOFF_HZ * (SLOWEST_CUTOFF_HZ / QUICKEST_CUTOFF_HZ) ** smoothing


def _share(cutoff_hz, step_s: float):
    """How much of the new value a first-order low-pass takes in one step."""
    turn = 2 * np.pi * cutoff_hz * step_s
    return turn / (turn + 1)


class Place:
    """One-euro filter of a point (3,) m; speed is that of the whole vector, so no axis lags behind another."""

    def __init__(self, smoothing: float) -> None:
        self._cutoff_hz = still_cutoff_hz(smoothing)
        self._value: np.ndarray | None = None
        self._velocity = np.zeros(3)

    def __call__(self, value: np.ndarray, step_s: float) -> np.ndarray:
        """The steadied value, `step_s` seconds (> 0) after the last one."""
        if self._value is None:
            self._value = np.array(value, float)
            return self._value
        measured = (value - self._value) / step_s
        self._velocity = self._velocity + _share(SPEED_CUTOFF_HZ, step_s) * (measured - self._velocity)
        cutoff = self._cutoff_hz + PLACE_GAIN * max(0.0, math.hypot(*self._velocity) - STILL_M_S)
        self._value = self._value + _share(cutoff, step_s) * (value - self._value)
        return self._value


class Rotations:
    """One-euro filter of rotations (N, 3, 3), each with its own speed, along geodesics of SO(3)."""

    def __init__(self, smoothing: float) -> None:
        self._cutoff_hz = still_cutoff_hz(smoothing)
        self._value: np.ndarray | None = None
        self._velocity = np.zeros(3)  # (N, 3) rad/s in the body's own frame; before the first step (3,), all the same

    def __call__(self, value: np.ndarray, step_s: float) -> np.ndarray:
        """The steadied rotations, `step_s` seconds (> 0) after the last ones."""
        if self._value is None:
            self._value = np.array(value, float)
            return self._value
        turn = axis_angle_from_matrix(np.swapaxes(self._value, -1, -2) @ value)
        self._velocity = self._velocity + _share(SPEED_CUTOFF_HZ, step_s) * (turn / step_s - self._velocity)
        speed = np.sqrt((self._velocity**2).sum(-1, keepdims=True))
        cutoff = self._cutoff_hz + ROTATION_GAIN * np.maximum(speed - STILL_RAD_S, 0.0)
        self._value = self._value @ matrix_from_axis_angle(_share(cutoff, step_s) * turn)
        return self._value


@dataclass(frozen=True)
class Shape:
    """A person's betas (10,), which do not change in truth: the average of all sets, the earliest forgotten slowly.

    A value: `learned` gives another one, so that what an estimate would make of the shape can be asked before the
    estimate is accepted.
    """

    mean: np.ndarray | None = None  # (10,); None: nothing learned yet
    weight: float = 0.0  # views that are in it

    def learned(self, betas: np.ndarray, weight: float = 1.0) -> Shape:
        """The shape after one more estimate of this `weight` (> 0: more for more views)."""
        return Shape(self.mean_with(betas, weight), self._total(weight))

    def mean_with(self, betas: np.ndarray, weight: float = 1.0) -> np.ndarray:
        """The mean (10,) that `learned` gives."""
        if self.mean is None:
            return np.array(betas, float)
        return self.mean + (betas - self.mean) * weight / self._total(weight)

    def _total(self, weight: float) -> float:
        return min(self.weight, SHAPE_MEMORY) + weight


class Smoother:
    """What is published of everybody: poses filtered over time, each person's by the key of their track."""

    def __init__(self, smoothing: float) -> None:
        """smoothing: 0 gives the raw poses."""
        self._smoothing = smoothing
        self._filters: dict[int, tuple[Place, Rotations, float]] = {}

    def __call__(self, poses: dict[int, Pose], stamp_s: float) -> dict[int, Pose]:
        """By key, in the same order. Joints are still the raw poses': new ones are the caller's to compute."""
        if self._smoothing == 0:
            return poses
        self._filters = {key: known for key, known in self._filters.items() if key in poses}
        return {key: self._smoothed(key, pose, stamp_s) for key, pose in poses.items()}

    def _smoothed(self, key: int, pose: Pose, stamp_s: float) -> Pose:
        known = self._filters.get(key)
        if known is None or not 0 < stamp_s - known[2] < LONGEST_STEP_S:
            known = Place(self._smoothing), Rotations(self._smoothing), stamp_s
        place, rotations, before_s = known
        step_s = max(stamp_s - before_s, 1e-3)
        pelvis_m = place(pose.joints[0], step_s)
        self._filters[key] = place, rotations, stamp_s
        return replace(pose, rotmats=rotations(pose.rotmats, step_s), transl=pose.transl + pelvis_m - pose.joints[0])

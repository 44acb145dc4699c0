"""A synthetic scene rendered beforehand, so that playing it costs the processor next to nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from refit_ros.camera.calibration import Calibration
    from refit_ros.synthetic.scenes import Scene, TruePerson


@dataclass(frozen=True)
class FilmCamera:
    """One camera of a film; `world` is z up, metres."""

    calibration: Calibration
    world_from_camera: np.ndarray  # (4, 4)


@dataclass(frozen=True)
class Film:
    """A scene of F images a camera, to be played back and forth without a jump."""

    cameras: tuple[FilmCamera, ...]
    images: tuple[tuple[np.ndarray, ...], ...]  # of camera c, at index i: (H, W, 3) uint8 RGB, as that lens shows it
    truth: tuple[tuple[TruePerson, ...], ...]  # at index i, in the world
    rate_hz: float

    def __len__(self) -> int:
        return len(self.truth)

    def index(self, tick: int) -> int:
        """Which image is shown at the tick-th time: 0, 1 .. F-1, F-2 .. 1, 0, 1 .."""
        there_and_back = max(2 * len(self) - 2, 1)
        step = tick % there_and_back
        return min(step, there_and_back - step)


def shoot(
    scene: Scene,
    rate_hz: float,
    length_s: float,
    at_most_s: float,
    distortion: tuple[float, ...] = (),
    go_on: Callable[[], bool] = lambda: True,
) -> Film:
    """Render `length_s` of a scene, or less where that would take longer than `at_most_s`.

    `distortion` are plumb_bob coefficients of every camera's lens; empty: none. Stops early when `go_on` says no.
    Raises ValueError where not one image came about.
    """
    cameras = tuple(
        FilmCamera(_with_lens(calibration, distortion), np.asarray(pose, dtype=np.float64))
        for calibration, pose in scene.cameras
    )
    lenses = [Lens(camera.calibration) for camera in cameras]
    images: list[list[np.ndarray]] = [[] for _ in cameras]
    truth: list[tuple[TruePerson, ...]] = []
    end_s = time.monotonic() + at_most_s
    for index in range(max(1, math.ceil(length_s * rate_hz))):
        if not go_on() or (truth and time.monotonic() > end_s):
            break
        time_s = index / rate_hz
        for number, lens in enumerate(lenses):
            images[number].append(lens.look(scene.render(time_s, number)))
        truth.append(tuple(scene.truth(time_s)))
    if not truth:
        raise ValueError("the film was stopped before its first image")
    return Film(cameras, tuple(map(tuple, images)), tuple(truth), rate_hz)


def _with_lens(calibration: Calibration, distortion: tuple[float, ...]) -> Calibration:
    return replace(calibration, distortion_model="plumb_bob", D=np.asarray(distortion, dtype=np.float64))


class Lens:
    """Turns the image of a pinhole into that of a distorting lens with the same K."""

    def __init__(self, calibration: Calibration) -> None:
        self._source_px = None
        if calibration.D is not None and np.any(calibration.D):
            columns, rows = np.meshgrid(np.arange(calibration.width_px), np.arange(calibration.height_px))
            pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float64)
            self._source_px = (
                calibration.undistort_px(pixels).reshape(calibration.height_px, calibration.width_px, 2).astype(np.float32)
            )

    def look(self, pinhole: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 to the same; beyond the pinhole's image its edge goes on."""
        if self._source_px is None:
            return np.ascontiguousarray(pinhole)
        import cv2

        return cv2.remap(pinhole, self._source_px, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

"""Noticing that a camera stands no longer where its extrinsics say: a cumulative sum (Page, Biometrika 1954).

Each set adds how far a camera's own estimates lie from those of the others, in units of the limit and less what honest
cameras are off by, times the seconds since the last set; the sum never falls below nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig

VGA_PX = 640.0
LONGEST_GAP_S = 3.0  # without any evidence for this long, the sum starts afresh
LARGEST = 4.0  # limits: no single set counts for more
TO_BLAME = 0.7  # of the worst camera's: a bad view spoils the others a little, and only the worst are to blame
SUSPECT_S = 0.2  # a sum of this is under suspicion: one mistaken view is no moved camera


@dataclass(frozen=True)
class CameraSum:
    """Of one camera."""

    stamp_s: float
    sum_s: float = 0.0  # limits times seconds
    since_s: float | None = None  # when the sum left nothing
    reported: bool = False


def as_of_vga(residual_px: Mapping[str, float], cameras: Sequence[Camera]) -> dict[str, float]:
    """The same in px of an image whose longer side has 640: a degree is more of them in a larger one."""
    longer_px = {camera.name: max(camera.calibration.width_px, camera.calibration.height_px) for camera in cameras}
    return {name: residual * min(1.0, VGA_PX / longer_px[name]) for name, residual in residual_px.items()}


class MovedCameras:
    """Sums each camera's residuals; `limit_px` for `limit_s` seconds is a moved camera."""

    def __init__(self, limit_px: float, limit_s: float, config: TrackerConfig) -> None:
        self._limit_px, self._limit_s, self._slack = limit_px, limit_s, config.moved_slack
        self._enough_s = limit_s * (1 - config.moved_slack)
        self._sums: dict[str, CameraSum] = {}

    @property
    def reported(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, one in self._sums.items() if one.reported))

    @property
    def suspected(self) -> tuple[str, ...]:
        """Those reported and those on the way to it: nobody new is believed on their word, nor are they fused."""
        enough_s = min(SUSPECT_S, self._enough_s)
        return tuple(sorted(name for name, one in self._sums.items() if one.reported or one.sum_s >= enough_s))

    def judge(self, residual_px: dict[str, float], stamp_s: float) -> None:
        """Takes each camera's typical residual of one set; cameras without evidence are absent."""
        worst = max(residual_px.values(), default=0.0)
        for camera, residual in residual_px.items():
            before = self._sums.get(camera, CameraSum(stamp_s))
            step_s = abs(stamp_s - before.stamp_s)
            if step_s > LONGEST_GAP_S:
                before, step_s = replace(before, sum_s=0.0, since_s=None), 0.0
            excess = min(residual / self._limit_px, LARGEST) - self._slack
            if excess > 0 and residual < TO_BLAME * worst:
                excess = 0.0
            # No higher than half as much again: a camera that stands right again is trusted again in time.
            total_s = min(max(before.sum_s + step_s * excess, 0.0), 1.5 * self._enough_s)
            since_s = before.since_s if before.since_s is not None else stamp_s - step_s
            if total_s == 0:
                self._sums[camera] = CameraSum(stamp_s)
                continue
            reported = before.reported or (total_s >= self._enough_s and stamp_s - since_s >= self._limit_s)
            self._sums[camera] = CameraSum(stamp_s, total_s, since_s, reported)

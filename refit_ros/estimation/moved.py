"""Noticing that a camera stands no longer where its extrinsics say."""

from __future__ import annotations

import math

from refit_ros.estimation.settings import Settings

SUSPECT_SHARE, GOOD_SHARE = 0.6, 0.4  # of the threshold: above the one a camera is suspected, below the other trusted again
LONGEST_GAP_S = 3.0  # without any evidence for this long, the count starts afresh
MEMORY_S = 0.2  # residuals are averaged over about this time: one mistaken view is no moved camera
LARGEST = 4.0  # of the threshold: a residual counts no more than this


class MovedCameras:
    """Watches each camera's residual over seconds.

    A camera is suspected once its residual, averaged over a moment, comes near `moved_camera_px` and is among the worst of
    its set; and reported if it is above that after `moved_camera_s` in which it was not good. With three cameras and more
    either is enough to leave it out of the fusion: what people are dragged to by a wrong view soon fits that view.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bad_since: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._level_px: dict[str, float] = {}
        self._reported: set[str] = set()

    @property
    def reported(self) -> tuple[str, ...]:
        return tuple(sorted(self._reported))

    @property
    def suspected(self) -> tuple[str, ...]:
        """Those reported and those that are on the way to it: nobody new is believed on their word."""
        return tuple(sorted(self._reported | set(self._bad_since)))

    def judge(self, residual_px: dict[str, float], stamp_s: float) -> None:
        """Takes each camera's typical residual of one set; cameras without evidence are absent."""
        limit = self._settings.moved_camera_px
        level = {camera: self._averaged(camera, residual, stamp_s) for camera, residual in residual_px.items()}
        worst = max(level.values(), default=0.0)
        for camera in residual_px:
            if level[camera] < GOOD_SHARE * limit:
                self._bad_since.pop(camera, None)
                self._reported.discard(camera)
            # The bad view spoils the others a little; only the worst ones are to blame.
            elif level[camera] > max(SUSPECT_SHARE * limit, 0.7 * worst):
                self._bad_since.setdefault(camera, stamp_s)
            lasted_s = stamp_s - self._bad_since.get(camera, stamp_s)
            if level[camera] > limit and lasted_s >= self._settings.moved_camera_s:
                self._reported.add(camera)

    def _averaged(self, camera: str, residual_px: float, stamp_s: float) -> float:
        gap_s = abs(stamp_s - self._last.get(camera, stamp_s))
        if gap_s > LONGEST_GAP_S:
            self._bad_since.pop(camera, None)
            self._level_px.pop(camera, None)
        self._last[camera] = stamp_s
        before, now = self._level_px.get(camera, 0.0), min(residual_px, LARGEST * self._settings.moved_camera_px)
        self._level_px[camera] = now + (before - now) * math.exp(-gap_s / MEMORY_S)
        return self._level_px[camera]

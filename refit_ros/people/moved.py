"""Noticing that a camera stands no longer where its extrinsics say."""
from __future__ import annotations

from refit_ros.people.settings import Settings

GOOD_SHARE = 0.5  # of the threshold: below this the camera is trusted again
LONGEST_GAP_S = 3.0  # without any evidence for this long, the count starts afresh


class MovedCameras:
    """Watches each camera's residual over seconds.

    A camera is reported once its residual was above `moved_camera_px`, among the worst of its set, and has not been good
    since for `moved_camera_s`. With three cameras and more it is then left out of the fusion.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bad_since: dict[str, float] = {}
        self._last: dict[str, float] = {}
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
        worst = max(residual_px.values(), default=0.0)
        for camera, residual in residual_px.items():
            if abs(stamp_s - self._last.get(camera, stamp_s)) > LONGEST_GAP_S:
                self._bad_since.pop(camera, None)
            self._last[camera] = stamp_s
            if residual < GOOD_SHARE * self._settings.moved_camera_px:
                self._bad_since.pop(camera, None)
                self._reported.discard(camera)
            # The bad view spoils the others a little; only the worst ones are to blame.
            elif residual > self._settings.moved_camera_px and residual > 0.7 * worst:
                self._bad_since.setdefault(camera, stamp_s)
            if stamp_s - self._bad_since.get(camera, stamp_s) >= self._settings.moved_camera_s:
                self._reported.add(camera)

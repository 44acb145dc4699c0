"""When all cameras have stopped: nobody is where they were seen last any more. No ROS and no clock in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.node.intake import Intake

GONE_S = 3.0  # without an image of any camera


class Absence:
    """Of all images at once; a camera whose images cannot be used counts as one that has stopped."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._told_s = intake, -float("inf")  # when the last image had come, of which it was told

    def begins(self, now_s: float, may_tell: bool) -> bool:
        """Whether to tell now that nobody is there: once each time, as soon as it may be told."""
        builder, cameras = self._intake.builder, self._intake.cameras
        stopped = all(builder.state(each, now_s) in ("silent", "waiting") for each in cameras)
        away_s = min(builder.silent_s(each, now_s) for each in cameras)
        last_s = round(now_s - away_s, 3)
        if not stopped or away_s < GONE_S or last_s == self._told_s or not may_tell:
            return False
        self._told_s = last_s
        return True

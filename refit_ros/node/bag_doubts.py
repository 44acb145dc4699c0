"""What a bag's images say against its cameras: a rig that is doubted, cameras that were moved on the way."""

from __future__ import annotations

from collections.abc import Callable

from refit_ros.node.tally import Tally


class Doubts:
    """Of one bag. Each is told when it comes up, and all of them at the end."""

    def __init__(self, say_once: Callable[[str], None]) -> None:
        self._say_once, self._rig = say_once, ""
        self._moved: dict[str, str] = {}

    def add(self, tally: Tally, at_s: float) -> None:
        """After a set, so many seconds behind the bag's beginning."""
        if tally.doubt and tally.doubt != self._rig:
            self._rig = tally.doubt
            self._say_once(tally.doubt)
        for camera in tally.moved_cameras:
            if camera not in self._moved:
                self._moved[camera] = (
                    f"camera {camera}: its view disagrees with the others' from {at_s:.1f} s on: has it been moved since "
                    "its calibration?"
                )
                self._say_once(self._moved[camera])

    @property
    def sentence(self) -> str:
        """All of it, the last doubt of the rig first; "" where there is none."""
        return "; ".join(filter(None, (self._rig, *self._moved.values())))

"""Images wait a little for what others find in them: boxes (detector 'topic') or keypoints (keypoint_source 'topic')."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.node.sets import Frame

Found = Boxes | GivenKeypoints

PENDING = 30  # images, and what was found, that are kept at most


class FoundJoin:
    """One camera's images joined with what was found in them, by their stamps; no clock in here.

    An image whose boxes do not come within `wait_s` goes on without: who is followed already is found all the same.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._frames: deque[tuple[Frame, float]] = deque(maxlen=PENDING)
        self._found: dict[int, Found] = {}  # by stamp, in the order of arrival
        self._last_ns: dict[str, int] = {}

    def add_frame(self, frame: Frame, now_s: float) -> list[Frame]:
        """The images that can go on now."""
        self._last_ns["image"] = frame.stamp_ns
        if any(frame.stamp_ns < waiting.stamp_ns for waiting, _ in self._frames):  # the clock was set back
            self._frames.clear()
        if frame.stamp_ns in self._found:
            return [self._joined(frame, self._found.pop(frame.stamp_ns))]
        self._frames.append((frame, now_s))
        return self.poll(now_s)

    def add_found(self, stamp_ns: int, found: Found, now_s: float) -> list[Frame]:
        """The images that can go on now."""
        self._last_ns["found"] = stamp_ns
        for frame, _ in self._frames:
            if frame.stamp_ns == stamp_ns:
                return [self._joined(frame, found)]
        self._found[stamp_ns] = found
        if len(self._found) > PENDING:
            del self._found[next(iter(self._found))]
        return self.poll(now_s)

    @property
    def ahead_s(self) -> float | None:
        """By how much the last stamp of what was found lies after the last image's; None before both came."""
        if len(self._last_ns) < 2:
            return None
        return (self._last_ns["found"] - self._last_ns["image"]) * 1e-9

    def poll(self, now_s: float) -> list[Frame]:
        """The images that have waited long enough."""
        ready = []
        while self._frames and self._frames[0][1] + self._wait_s <= now_s:
            ready.append(self._frames.popleft()[0])
        return ready

    def next_deadline_s(self) -> float | None:
        """When `poll` should be called next; None: nothing waits."""
        return self._frames[0][1] + self._wait_s if self._frames else None

    def _joined(self, frame: Frame, found: Found) -> Frame:
        # What is older than an image that goes on could only follow it out of order.
        self._frames = deque((entry for entry in self._frames if entry[0].stamp_ns > frame.stamp_ns), maxlen=PENDING)
        return replace(frame, boxes=found) if isinstance(found, Boxes) else replace(frame, keypoints=found)

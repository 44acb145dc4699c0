"""Images wait a little for the boxes that a detector finds in them (detector 'topic')."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from refit_ros.camera.boxes import Boxes
from refit_ros.node.sets import Frame

PENDING = 30  # images, and boxes, that are kept at most


class BoxJoin:
    """One camera's images joined with the boxes of the same stamp; no clock in here.

    An image whose boxes do not come within `wait_s` goes on without: who is followed already is found all the same.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._frames: deque[tuple[Frame, float]] = deque(maxlen=PENDING)
        self._boxes: dict[int, Boxes] = {}  # by stamp, in the order of arrival

    def add_frame(self, frame: Frame, now_s: float) -> list[Frame]:
        """The images that can go on now."""
        if any(frame.stamp_ns < waiting.stamp_ns for waiting, _ in self._frames):  # the clock was set back
            self._frames.clear()
        if frame.stamp_ns in self._boxes:
            return [self._joined(frame, self._boxes.pop(frame.stamp_ns))]
        self._frames.append((frame, now_s))
        return self.poll(now_s)

    def add_boxes(self, stamp_ns: int, boxes: Boxes, now_s: float) -> list[Frame]:
        """The images that can go on now."""
        for frame, _ in self._frames:
            if frame.stamp_ns == stamp_ns:
                return [self._joined(frame, boxes)]
        self._boxes[stamp_ns] = boxes
        if len(self._boxes) > PENDING:
            del self._boxes[next(iter(self._boxes))]
        return self.poll(now_s)

    def poll(self, now_s: float) -> list[Frame]:
        """The images that have waited long enough."""
        ready = []
        while self._frames and self._frames[0][1] + self._wait_s <= now_s:
            ready.append(self._frames.popleft()[0])
        return ready

    def next_deadline_s(self) -> float | None:
        """When `poll` should be called next; None: nothing waits."""
        return self._frames[0][1] + self._wait_s if self._frames else None

    def _joined(self, frame: Frame, boxes: Boxes) -> Frame:
        # What is older than an image that goes on could only follow it out of order.
        self._frames = deque((entry for entry in self._frames if entry[0].stamp_ns > frame.stamp_ns), maxlen=PENDING)
        return replace(frame, boxes=boxes)

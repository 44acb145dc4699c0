"""Images of several cameras become synchronized sets: at once when complete, else at a deadline with what came.

No ROS and no clock in here: the caller says when an image arrived (seconds on a steady clock) and when to look.
One camera that stalls, returns, runs at another rate or has a wrong clock delays the others by no more than the
deadline, and only until `camera_timeout_s` has passed, or a few of its own intervals where it sends more rarely.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from statistics import median_low
from typing import Any

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.node.stamp_watch import JUMP_NS, StampWatch

MISSES = 10  # a camera whose images fitted in none of so many sets is not waited for any more ...
RETRY = 100  # ... but tried again after so many
INTERVALS, INTERVALS_LEAST = 5, 2  # a camera's usual interval is the median of its last ones: a pause does not stretch it
STAYS_AWAY = 2.5  # of its usual intervals without an image: it has stopped
LONGEST_WAIT_S = 5.0  # however rarely it sends
ABOUT_DUE = 0.75  # of its usual interval: from then on a rare image is waited for again


@dataclass(frozen=True)
class Frame:
    """One camera's image, checked but not decoded."""

    camera: str
    stamp_ns: int  # capture time
    frame_id: str  # optical frame
    message: Any  # sensor_msgs Image or CompressedImage
    calibration: Calibration
    boxes: Boxes | None = None
    keypoints: GivenKeypoints | None = None


@dataclass(frozen=True)
class FrameSet:
    """Images taken at one time, in the order of the cameras' list."""

    frames: tuple[Frame, ...]
    restarted: bool = False  # the clock was set back since the last set: what was followed is of no use

    @property
    def stamp_ns(self) -> int:
        """The earliest capture time: the set was taken between this and this plus `spread_ns`."""
        return min(frame.stamp_ns for frame in self.frames)

    @property
    def spread_ns(self) -> int:
        return max(frame.stamp_ns for frame in self.frames) - self.stamp_ns

    def only(self, cameras: Collection[str]) -> FrameSet:
        """The part that these cameras took, whose stamp and spread count where the others' images could not be used.

        The whole set where none of them took part.
        """
        used = tuple(frame for frame in self.frames if frame.camera in cameras)
        return replace(self, frames=used) if used else self


@dataclass
class _Camera:
    name: str
    pending: deque[tuple[Frame, float]] = field(default_factory=lambda: deque(maxlen=16))
    arrival_s: float = -float("inf")
    stamp_ns: int = -1
    offset_ns: int = 0  # stamp minus arrival: tells clocks apart
    misses: int = 0
    delivered: bool = False  # something since the last set
    late: int = 0
    not_new: int = 0  # of these, stamps that stood still or went back
    unmatched: int = 0
    clock: StampWatch = field(default_factory=StampWatch)
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS))

    def arrived(self, now_s: float) -> None:
        if self.arrival_s > -float("inf"):
            self.intervals_s.append(now_s - self.arrival_s)
        self.arrival_s = now_s

    def usual_interval_s(self) -> float:
        """0 until it is known."""
        return median_low(self.intervals_s) if len(self.intervals_s) >= INTERVALS_LEAST else 0.0


class SetBuilder:
    """Use from one thread. `slop_ns` is inclusive and bounds a set's whole spread."""

    def __init__(self, cameras: list[str], slop_ns: int, deadline_s: float, camera_timeout_s: float) -> None:
        self._cameras = {name: _Camera(name) for name in cameras}
        self._slop_ns, self._deadline_s, self._timeout_s = slop_ns, deadline_s, camera_timeout_s
        self._first_arrival_s: float | None = None
        self._last_stamp_ns: int | None = None
        self.restarts = 0

    def add(self, frame: Frame, now_s: float) -> FrameSet | None:
        """Take an image; the set that it completes, if it does."""
        camera = self._cameras[frame.camera]
        if self._first_arrival_s is None:
            self._first_arrival_s = now_s
        if not camera.clock.believes(frame.stamp_ns, now_s):
            camera.arrived(now_s)  # it is alive all the same
            return None
        if 0 <= camera.stamp_ns - frame.stamp_ns < JUMP_NS:
            camera.late += 1
            camera.not_new += 1
            return None
        camera.arrived(now_s)
        camera.stamp_ns, camera.delivered = frame.stamp_ns, True
        camera.offset_ns = frame.stamp_ns - int(now_s * 1e9)
        if camera.name not in self._agreeing(now_s) or self._too_late(frame):
            camera.late += 1
            return None
        camera.pending.append((frame, now_s))
        chosen = self._around(frame)
        if all(name in chosen for name in self._expected(now_s)):
            return self._emit(chosen)
        return None

    def poll(self, now_s: float) -> FrameSet | None:
        """The set whose deadline has passed, if there is one. Call again until None."""
        overdue = [
            frame
            for camera in self._cameras.values()
            for frame, arrival_s in camera.pending
            if arrival_s + self._deadline_s <= now_s
        ]
        if not overdue:
            return None
        groups = [self._around(frame) for frame in overdue]
        largest = max(len(group) for group in groups)
        return self._emit(next(group for group in groups if len(group) == largest))

    def next_deadline_s(self) -> float | None:
        """When `poll` should be called next; None: nothing waits."""
        arrivals = [camera.pending[0][1] for camera in self._cameras.values() if camera.pending]
        return min(arrivals) + self._deadline_s if arrivals else None

    def state(self, name: str, now_s: float) -> str:
        """ "waiting" (nothing came yet), "live", "silent" (dropped) or "out of step" (comes, but fits no set)."""
        camera = self._cameras[name]
        if camera.stamp_ns < 0:
            return "waiting"
        if not self._live(camera, now_s):
            return "silent"
        return "out of step" if camera.misses >= MISSES else "live"

    def counts(self, name: str) -> dict[str, int]:
        camera = self._cameras[name]
        return {"late": camera.late, "unmatched": camera.unmatched, "stamps doubted": camera.clock.doubted}

    def stamps_not_new(self, name: str) -> int:
        """How many of the late ones bore a stamp that stood still or went back."""
        return self._cameras[name].not_new

    def silent_s(self, name: str, now_s: float) -> float:
        """How long nothing has come; infinite before the first image."""
        return now_s - self._cameras[name].arrival_s

    def _live(self, camera: _Camera, now_s: float) -> bool:
        own_s = min(STAYS_AWAY * camera.usual_interval_s(), LONGEST_WAIT_S)
        return now_s - camera.arrival_s <= max(self._timeout_s, own_s)

    def _due(self, camera: _Camera, now_s: float) -> bool:
        """Whether an image of it may come now: others, which send often, do not wait all the time for one that does not."""
        away_s = now_s - camera.arrival_s
        return away_s <= self._timeout_s or away_s >= ABOUT_DUE * camera.usual_interval_s()

    def _agreeing(self, now_s: float) -> set[str]:
        """The live cameras whose clocks agree: the largest such group, the first in the list where two are equal."""
        live = [camera for camera in self._cameras.values() if self._live(camera, now_s)]
        groups = [[other.name for other in live if abs(other.offset_ns - camera.offset_ns) < JUMP_NS] for camera in live]
        return set(max(groups, key=len, default=[]))

    def _expected(self, now_s: float) -> set[str]:
        """Which cameras a complete set must hold; in the beginning also those that have not been heard of yet."""
        beginning = now_s - self._first_arrival_s <= self._timeout_s
        unheard = {name for name, camera in self._cameras.items() if camera.stamp_ns < 0} if beginning else set()
        agreeing = [self._cameras[name] for name in self._agreeing(now_s)]
        return unheard | {camera.name for camera in agreeing if camera.misses % RETRY < MISSES and self._due(camera, now_s)}

    def _too_late(self, frame: Frame) -> bool:
        """Its set has gone out without it."""
        return self._last_stamp_ns is not None and 0 <= self._last_stamp_ns - frame.stamp_ns < JUMP_NS

    def _around(self, anchor: Frame) -> dict[str, Frame]:
        """The image of each camera nearest in time to `anchor`, as far as all lie within the slop."""
        nearest = {anchor.camera: anchor}
        for name, camera in self._cameras.items():
            if name != anchor.camera and camera.pending:
                nearest[name] = min(
                    (frame for frame, _ in camera.pending), key=lambda frame: abs(frame.stamp_ns - anchor.stamp_ns)
                )
        chosen, earliest, latest = {}, anchor.stamp_ns, anchor.stamp_ns
        for frame in sorted(nearest.values(), key=lambda frame: abs(frame.stamp_ns - anchor.stamp_ns)):
            span = min(earliest, frame.stamp_ns), max(latest, frame.stamp_ns)
            if span[1] - span[0] <= self._slop_ns:
                chosen[frame.camera] = frame
                earliest, latest = span
        return chosen

    def _emit(self, chosen: dict[str, Frame]) -> FrameSet:
        frames = tuple(chosen[name] for name in self._cameras if name in chosen)
        found = FrameSet(frames)
        restarted = self._last_stamp_ns is not None and self._last_stamp_ns - found.stamp_ns >= JUMP_NS
        self._last_stamp_ns = found.stamp_ns
        self.restarts += restarted
        for name, camera in self._cameras.items():
            used_ns = chosen[name].stamp_ns if name in chosen else found.stamp_ns
            before = len(camera.pending)
            keep = [entry for entry in camera.pending if used_ns < entry[0].stamp_ns < found.stamp_ns + JUMP_NS]
            camera.pending.clear()
            camera.pending.extend(keep)
            camera.unmatched += before - len(keep) - (name in chosen)
            camera.misses = 0 if name in chosen else camera.misses + camera.delivered
            camera.delivered = False
        return FrameSet(frames, restarted)

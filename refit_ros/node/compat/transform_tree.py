"""A tree of frames over time, as tf2 keeps it: what the stand-in for tf2_ros.Buffer looks things up in.

Nothing here knows a message. Times are integer nanoseconds, 0 asks for the newest common one; translations are
metres; quaternions are x, y, z, w. A transform `parent -> child` carries points of the child into the parent.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

DEEPEST_TREE = 1000
UNIT_QUATERNION_TOLERANCE = 1e-2  # as in tf2


class TransformException(Exception):
    """Anything that keeps a transform from being found."""


class LookupException(TransformException):
    """A frame that nobody has published."""


class ConnectivityException(TransformException):
    """Two frames of different trees."""


class ExtrapolationException(TransformException):
    """A time before the first or after the last transform that is known."""


class InvalidArgumentException(TransformException):
    """A name that cannot be a frame's, or a transform that cannot be one."""


class TimeoutException(TransformException):
    """Not there within the time allowed."""


@dataclass(frozen=True)
class Pose:
    translation: Vector
    rotation: Quaternion

    def __matmul__(self, other: Pose) -> Pose:
        moved = rotated(self.rotation, other.translation)
        return Pose(tuple(a + b for a, b in zip(self.translation, moved)), multiplied(self.rotation, other.rotation))

    def inverse(self) -> Pose:
        x, y, z, w = self.rotation
        back = (-x, -y, -z, w)
        return Pose(tuple(-v for v in rotated(back, self.translation)), back)


IDENTITY = Pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def multiplied(a: Quaternion, b: Quaternion) -> Quaternion:
    """The rotation that turns by `b` first, then by `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotated(q: Quaternion, v: Vector) -> Vector:
    x, y, z, _ = multiplied(multiplied(q, (*v, 0.0)), (-q[0], -q[1], -q[2], q[3]))
    return x, y, z


def between(a: Pose, b: Pose, share: float) -> Pose:
    """`share` of the way from a to b: straight for the place, along the shorter arc for the rotation (slerp)."""
    translation = tuple(p + share * (q - p) for p, q in zip(a.translation, b.translation))
    dot = sum(p * q for p, q in zip(a.rotation, b.rotation))
    end = b.rotation if dot >= 0 else tuple(-q for q in b.rotation)
    angle = math.acos(min(abs(dot), 1.0))
    if angle < 1e-9:
        return Pose(translation, a.rotation)
    from_a, from_b = math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return Pose(translation, tuple(from_a * p + from_b * q for p, q in zip(a.rotation, end)))


@dataclass(frozen=True)
class _Sample:
    parent: str
    pose: Pose


class _History:
    """A frame's transforms to its parent, by time; a static one holds at any time."""

    def __init__(self, static: bool) -> None:
        self.static = static
        self.times: list[int] = []
        self.samples: list[_Sample] = []

    def add(self, time_ns: int, sample: _Sample, keep_ns: int) -> bool:
        if self.static:
            self.times, self.samples = [0], [sample]
            return True
        if self.times and time_ns < self.times[-1] - keep_ns:
            return False
        at = bisect_left(self.times, time_ns)
        if at < len(self.times) and self.times[at] == time_ns:
            self.samples[at] = sample
        else:
            self.times.insert(at, time_ns)
            self.samples.insert(at, sample)
        old = bisect_left(self.times, self.times[-1] - keep_ns)
        del self.times[:old], self.samples[:old]
        return True

    def at(self, time_ns: int) -> _Sample:
        """Raises ExtrapolationException outside the times known."""
        if self.static:
            return self.samples[0]
        after = bisect_right(self.times, time_ns)
        if after and self.times[after - 1] == time_ns:
            return self.samples[after - 1]
        if after == 0 or after == len(self.times):
            raise ExtrapolationException(
                f"time {time_ns / 1e9:.6f} lies {'before the first' if after == 0 else 'after the last'} transform known, "
                f"{self.times[0 if after == 0 else -1] / 1e9:.6f}"
            )
        first, second = self.samples[after - 1], self.samples[after]
        if first.parent != second.parent:
            return first
        begin, end = self.times[after - 1], self.times[after]
        return _Sample(first.parent, between(first.pose, second.pose, (time_ns - begin) / (end - begin)))


class TransformTree:
    """All frames; not protected against several threads at once."""

    def __init__(self, keep_ns: int) -> None:
        self.keep_ns = keep_ns
        self.histories: dict[str, _History] = {}
        self.known: set[str] = set()

    def clear(self) -> None:
        """Forgets what changes over time; static transforms stay."""
        self.histories = {name: history for name, history in self.histories.items() if history.static}

    def set(self, parent: str, child: str, time_ns: int, pose: Pose, static: bool) -> bool:
        """False where the transform cannot be one (its names, NaN, no rotation) or is too old to be kept."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        numbers = (*pose.translation, *pose.rotation)
        length = math.sqrt(sum(q * q for q in pose.rotation))
        if (
            not parent
            or not child
            or parent == child
            or not all(map(math.isfinite, numbers))
            or abs(length - 1) > UNIT_QUATERNION_TOLERANCE
        ):
            return False
        pose = Pose(pose.translation, tuple(q / length for q in pose.rotation))
        history = self.histories.get(child)
        if history is None or history.static != static:
            history = self.histories[child] = _History(static)
        self.known |= {parent, child}
        return history.add(time_ns, _Sample(parent, pose), self.keep_ns)

    def lookup(self, target: str, source: str, time_ns: int) -> tuple[Pose, int]:
        """What carries points of `source` into `target`, and the time it holds for.

        Raises InvalidArgumentException, LookupException, ConnectivityException or ExtrapolationException.
        """
        self._check_frame("target_frame", target)
        self._check_frame("source_frame", source)
        if time_ns == 0:
            time_ns = self._newest_common_time(target, source)
        source_line, source_end = self._line_of(source, time_ns)
        target_line, target_end = self._line_of(target, time_ns)
        for ancestor, ancestor_from_target in target_line.items():
            if ancestor in source_line:
                return ancestor_from_target.inverse() @ source_line[ancestor], time_ns
        for error in (source_end, target_end):
            if error is not None:
                raise ExtrapolationException(f"no transform from '{source}' to '{target}': {error}")
        raise ConnectivityException(f"'{source}' and '{target}' are not part of the same tree")

    def _check_frame(self, what: str, name: str) -> None:
        if not name or name.startswith("/"):
            raise InvalidArgumentException(f"{what} '{name}': a frame's name is not empty and does not begin with a slash")
        if name not in self.known:
            raise LookupException(f"{what} '{name}' does not exist")

    def _line_of(self, frame: str, time_ns: int) -> tuple[dict[str, Pose], ExtrapolationException | None]:
        """Every ancestor with the pose of `frame` in it, nearest first, and why the line ends early, if it does."""
        line = {frame: IDENTITY}
        pose = IDENTITY
        while frame in self.histories:
            try:
                sample = self.histories[frame].at(time_ns)
            except ExtrapolationException as error:
                return line, error
            except IndexError:  # cleared
                break
            pose = sample.pose @ pose
            frame = sample.parent
            if frame in line or len(line) > DEEPEST_TREE:
                raise LookupException(f"the tree of frames has a loop at '{frame}'")
            line[frame] = pose
        return line, None

    def _newest_common_time(self, target: str, source: str) -> int:
        """The newest time for which all transforms between the two are known; 0 where all of them are static."""
        lines = []
        for frame in (source, target):
            line: dict[str, list[int]] = {frame: []}
            times: list[int] = []
            while frame in self.histories and len(line) <= DEEPEST_TREE:
                history = self.histories[frame]
                times = times if history.static else [*times, history.times[-1]]
                frame = history.samples[-1].parent
                if frame in line:
                    break
                line[frame] = times
            lines.append(line)
        for ancestor, target_times in lines[1].items():
            if ancestor in lines[0]:
                return min([*lines[0][ancestor], *target_times], default=0)
        return 0

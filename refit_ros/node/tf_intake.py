"""/tf and /tf_static on their way into the buffer: each transform is looked at, and a clock set back is noticed."""

from __future__ import annotations

import math
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from refit_ros.camera.views import FARTHEST_M
from refit_ros.node.conversions import set_stamp, stamp_ns
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.stamp_watch import StampWatch

if TYPE_CHECKING:
    from rclpy.node import Node

SOURCE = "/tf"
KEPT = 16  # of each frame's newest transforms, which survive when another frame's clock is set back
MOST_FRAMES = 5000  # names from outside take memory
FORGET_S, FORGOTTEN = 30.0, 200  # so many frames that were not heard for so long are forgotten: of people who have gone
LONGEST_NAME = 200
LITTLE_ENDIAN, SHORTEST_MESSAGE = 1, 32  # of CDR: the second byte, and bytes of a message of one transform at least
UNIT_QUATERNION_TOLERANCE = 1e-2  # as in tf2


@dataclass
class _Frame:
    """A frame whose place is told on /tf."""

    watch: StampWatch = field(default_factory=StampWatch)
    newest: deque = field(default_factory=lambda: deque(maxlen=KEPT))  # transforms
    heard_s: float = 0.0


class TransformIntake:
    """Fills a tf2_ros.Buffer. In place of tf2_ros.TransformListener, whose callback raises on a bad stamp, and whose buffer,
    where a bag is played again without /clock, refuses all that is older than what it has.

    `ours`: the beginning of the names of frames that this node publishes itself; who else does is told.
    `is_ours`: whether this node has published transforms of that stamp (ns) lately.
    Without a buffer nothing is kept.
    """

    def __init__(
        self,
        buffer: Any,
        rejections: Rejections,
        ours: str,
        is_ours: Callable[[int], bool],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buffer, self._rejections, self._ours, self._is_ours, self._now_s = buffer, rejections, ours, is_ours, now_s
        self._frames: dict[str, _Frame] = {}
        self._looked_s = now_s()
        self._static: set[str] = set()
        self.came = self.used = 0  # transforms

    def open(self, node: Node) -> list:
        """The subscriptions."""
        from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
        from tf2_msgs.msg import TFMessage

        opened = [node.create_subscription(TFMessage, "/tf", self.take_raw, 100, raw=True)]
        if self._buffer is not None:
            latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL, history=HistoryPolicy.KEEP_LAST)
            opened.append(node.create_subscription(TFMessage, "/tf_static", self.take_static, latched))
        return opened

    def take_raw(self, data: bytes) -> None:
        """A message of /tf in CDR; never raises. Read only where it has something for this node."""
        try:
            if self._is_own_message(data) or (self._buffer is None and self._ours.encode() not in data):
                return
            from rclpy.serialization import deserialize_message
            from tf2_msgs.msg import TFMessage

            message = deserialize_message(data, TFMessage)
        except Exception as error:
            self._rejections.add(SOURCE, "cannot be read", f"{type(error).__name__}: {error}")
            return
        self.take(message)

    def _is_own_message(self, data: bytes) -> bool:
        """That this node has published. A stamp alone says nothing: cameras' transforms have those of their images too."""
        if len(data) < SHORTEST_MESSAGE or data[1] != LITTLE_ENDIAN:
            return False
        stamp_ns, child = _first_transform(data)
        return child.startswith(self._ours.encode()) and self._is_ours(stamp_ns)

    def take(self, message: Any) -> None:
        """A message of /tf; never raises."""
        self._each(message, self._take_one)

    def take_static(self, message: Any) -> None:
        """A message of /tf_static; never raises."""
        self._each(message, self._take_static_one)

    def _each(self, message: Any, take: Any) -> None:
        for transform in message.transforms:
            self.came += 1
            try:
                self._check(transform)
                take(transform)
            except Rejected as rejected:
                self._rejections.add(SOURCE, rejected.reason, str(rejected))
            except Exception as error:
                self._rejections.add(SOURCE, "internal error", f"{type(error).__name__}: {error}", traceback.format_exc())

    def _check(self, transform: Any) -> None:
        """Also takes away the slashes of ROS 1. Raises Rejected."""
        parent, child = transform.header.frame_id, transform.child_frame_id
        for name in (parent, child):
            if len(name) > 1 and name.startswith("/"):
                self._rejections.say_once(
                    SOURCE, "slash", f"frame '{name[:60]}' begins with a slash, as in ROS 1: it is taken without"
                )
        parent, child = parent.removeprefix("/"), child.removeprefix("/")
        transform.header.frame_id, transform.child_frame_id = parent, child
        if not parent or not child or parent == child or max(len(parent), len(child)) > LONGEST_NAME:
            raise Rejected("bad frame name", f"a transform from '{child[:60]}' to '{parent[:60]}'")
        place, turn = transform.transform.translation, transform.transform.rotation
        numbers = (place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w)
        if not all(map(math.isfinite, numbers)) or max(map(abs, numbers)) > FARTHEST_M:
            raise Rejected(
                "bad transform",
                f"the transform from '{child}' to '{parent}' holds NaN, infinity or more than {FARTHEST_M:g} m",
            )
        if abs(math.sqrt(sum(q * q for q in numbers[3:])) - 1) > UNIT_QUATERNION_TOLERANCE:
            raise Rejected("bad transform", f"the rotation from '{child}' to '{parent}' is no unit quaternion")

    def _take_one(self, transform: Any) -> None:
        child = transform.child_frame_id
        if child.startswith(self._ours):
            if not self._is_ours(stamp_ns(transform.header.stamp)):
                self._rejections.say_once(
                    SOURCE,
                    "foreign",
                    f"somebody else publishes '{child}' too (below "
                    f"'{transform.header.frame_id}'): give this node a tf_prefix of its own",
                )
            return
        if self._buffer is None:
            return
        if transform.header.stamp.sec < 0:
            raise Rejected("bad stamp", f"the transform from '{child}' has the stamp {transform.header.stamp.sec} s")
        now_s = self._now_s()
        if child not in self._frames:
            self._forget_silent(now_s)
            if len(self._frames) >= MOST_FRAMES:
                raise Rejected("too many frames", f"frame '{child}' is one more than {MOST_FRAMES}")
            self._frames[child] = _Frame()
        frame = self._frames[child]
        frame.heard_s, before = now_s, frame.watch.set_back
        if not frame.watch.believes(stamp_ns(transform.header.stamp), now_s):
            raise Rejected("stamp doubted", f"the transform from '{child}' lies far from the last one in time")
        if frame.watch.set_back > before:
            frame.newest.clear()
            self._fill_again()
        self._buffer.set_transform(transform, "default_authority")
        frame.newest.append(transform)
        self.used += 1

    def _forget_silent(self, now_s: float) -> None:
        """Trackers give each new person frames of their own: those of whoever has gone would stay in memory."""
        if now_s - self._looked_s < FORGET_S:
            return
        self._looked_s = now_s
        heard = {child: frame for child, frame in self._frames.items() if now_s - frame.heard_s <= FORGET_S}
        if len(self._frames) - len(heard) >= FORGOTTEN:
            self._frames = heard
            self._fill_again()

    def _fill_again(self) -> None:
        """The buffer forgets only everything: what is good is given to it again."""
        self._buffer.clear()
        for frame in self._frames.values():
            for transform in frame.newest:
                self._buffer.set_transform(transform, "default_authority")

    def _take_static_one(self, transform: Any) -> None:
        child = transform.child_frame_id
        if child not in self._static and len(self._static) >= MOST_FRAMES:
            raise Rejected("too many frames", f"static frame '{child}' is one more than {MOST_FRAMES}")
        self._static.add(child)
        self._frames.pop(child, None)  # where it moved before is no place to be filled in again
        set_stamp(transform.header.stamp, 0)  # it holds at any time
        self._buffer.set_transform_static(transform, "default_authority")
        self.used += 1


def _first_transform(data: bytes) -> tuple[int, bytes]:
    """Stamp (ns) and child_frame_id of the first transform of a tf2_msgs/TFMessage in little-endian CDR, which lies behind 4
    bytes of header and the count; strings are told with their length, and what follows begins at a multiple of 4."""
    seconds, nanoseconds, length = struct.unpack_from("<iII", data, 8)
    begin = 20 + -(-length // 4) * 4
    (length,) = struct.unpack_from("<I", data, begin)
    return seconds * 1_000_000_000 + nanoseconds, data[begin + 4 : begin + 4 + length]

"""message_filters for a machine without it: Subscriber and ApproximateTimeSynchronizer.

The interface is that of the ROS 2 package. Two of its weaknesses are not reproduced: a callback that raises does
not leave a lock held, and a clock that jumps backwards does not stop the matching. A third belongs to what it
promises and is the same here: it emits complete sets only, so one camera that is silent silences it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

from rclpy.time import Time


class SimpleFilter:
    """Hands what it is given to everybody who registered."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable, tuple]] = {}

    def registerCallback(self, cb: Callable, *args) -> int:
        """Calls `cb(*messages, *args)` from now on; returns a number that names the connection."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *messages) -> None:
        for callback, arguments in list(self.callbacks.values()):
            callback(*messages, *arguments)


class Subscriber(SimpleFilter):
    """A subscription as the source of a filter: Subscriber(node, type, topic, qos_profile=10, **subscription options)."""

    def __init__(self, node, msg_type, topic: str, **options) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        options.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.signalMessage, **options)

    def getTopic(self) -> str:
        return self.topic


class ApproximateTimeSynchronizer(SimpleFilter):
    """Emits one message of each filter, where all their stamps lie less than `slop` seconds apart."""

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int, slop: float, allow_headerless: bool = False) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.slop_ns = round(slop * 1e9)
        self.allow_headerless = allow_headerless
        self.lock = threading.Lock()
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:
        # One queue a filter, {stamp: message}, in the order of arrival: the first to go when it is full. The real
        # one lets the smallest stamp go, and so throws every new message away after the clock has jumped backwards.
        self.queues: list[dict[int, object]] = [{} for _ in fs]
        self.input_connections = [
            each.registerCallback(self.add, queue, index) for index, (each, queue) in enumerate(zip(fs, self.queues))
        ]

    def add(self, message, queue: dict[int, object], index: int) -> None:
        stamp_ns = self._stamp_ns(message)
        if stamp_ns is None:
            return
        with self.lock:
            queue.pop(stamp_ns, None)
            queue[stamp_ns] = message
            while len(queue) > self.queue_size:
                del queue[next(iter(queue))]
            messages = self._take_set(stamp_ns, index)
        if messages is not None:
            self.signalMessage(*messages)

    def _stamp_ns(self, message) -> int | None:
        if hasattr(message, "header"):
            return Time.from_msg(message.header.stamp).nanoseconds
        if not self.allow_headerless:
            return None
        from rclpy.clock import Clock, ClockType

        return Clock(clock_type=ClockType.ROS_TIME).now().nanoseconds

    def _take_set(self, stamp_ns: int, index: int) -> list | None:
        """The set around the message that has just come, the nearest stamps tried first; taken out of the queues."""
        candidates = []
        for other, queue in enumerate(self.queues):
            near = (
                [stamp_ns]
                if other == index
                else sorted((s for s in queue if abs(s - stamp_ns) < self.slop_ns), key=lambda s: abs(s - stamp_ns))
            )
            if not near:
                return None
            candidates.append(near)
        for stamps in itertools.product(*candidates):
            if max(stamps) - min(stamps) < self.slop_ns or len(stamps) == 1:
                return [queue.pop(stamp) for queue, stamp in zip(self.queues, stamps)]
        return None

"""tf2_ros for a machine without it: Buffer, TransformListener and the two broadcasters, with tf2_ros's interface.

A lookup that may wait counts its timeout on a steady clock: with simulated time and no /clock it ends all the same.
"""

from __future__ import annotations

import threading
import time as steady
from collections.abc import Sequence

from geometry_msgs.msg import TransformStamped
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from rclpy.time import Time
from tf2_msgs.msg import TFMessage

from refit_ros.node.compat.transform_tree import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    Pose,
    TimeoutException,
    TransformException,
    TransformTree,
)

__all__ = [
    "Buffer",
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "StaticTransformBroadcaster",
    "TimeoutException",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
]

KEEP_S = 10.0  # tf2's default cache time
WAIT_SLICE_S = 0.02  # how often a waiting lookup sees that its context was shut down


class Buffer:
    """Transforms of the last seconds; safe to use from several threads."""

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        self._tree = TransformTree(cache_time.nanoseconds if cache_time is not None else round(KEEP_S * 1e9))
        self._changed = threading.Condition()
        self._context = node.context if node is not None else None
        if node is not None:
            threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
            self._jump_handle = node.get_clock().create_jump_callback(threshold, post_callback=lambda _jump: self.clear())

    def clear(self) -> None:
        """Forgets everything but static transforms."""
        with self._changed:
            self._tree.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        self._set(transform, static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        self._set(transform, static=True)

    def _set(self, message: TransformStamped, static: bool) -> None:
        place, turn = message.transform.translation, message.transform.rotation
        pose = Pose((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w))
        with self._changed:
            self._tree.set(
                message.header.frame_id,
                message.child_frame_id,
                Time.from_msg(message.header.stamp).nanoseconds,
                pose,
                static,
            )
            self._changed.notify_all()

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration | None = None
    ) -> TransformStamped:
        """What carries points of `source_frame` into `target_frame` at `time` (Time(): the newest common one).

        Waits up to `timeout` for it. Raises LookupException, ConnectivityException, ExtrapolationException or
        InvalidArgumentException.
        """
        deadline = steady.monotonic() + (timeout.nanoseconds / 1e9 if timeout is not None else 0.0)
        with self._changed:
            while True:
                try:
                    pose, time_ns = self._tree.lookup(target_frame, source_frame, time.nanoseconds)
                    return _message(target_frame, source_frame, time_ns, pose)
                except InvalidArgumentException:
                    raise
                except TransformException:
                    left_s = deadline - steady.monotonic()
                    if left_s <= 0 or (self._context is not None and not self._context.ok()):
                        raise
                self._changed.wait(min(left_s, WAIT_SLICE_S))

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration | None = None,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException as error:
            return (False, str(error)) if return_debug_tuple else False
        return (True, "") if return_debug_tuple else True


def _message(target: str, source: str, time_ns: int, pose: Pose) -> TransformStamped:
    message = TransformStamped()
    message.header.stamp = Time(nanoseconds=time_ns).to_msg()
    message.header.frame_id = target
    message.child_frame_id = source
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = pose.translation
    turn.x, turn.y, turn.z, turn.w = pose.rotation
    return message


def _latched(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL, history=HistoryPolicy.KEEP_LAST)


class TransformListener:
    """Fills a buffer from /tf and /tf_static, as the node's executor spins."""

    def __init__(
        self,
        buffer: Buffer,
        node: Node,
        *,
        spin_thread: bool = False,
        qos: QoSProfile | int | None = None,
        static_qos: QoSProfile | int | None = None,
    ) -> None:
        if spin_thread:
            raise ValueError("spin_thread is not there without tf2_ros: spin the node in an executor")
        self.buffer = buffer
        self.node = node
        self.tf_sub = node.create_subscription(TFMessage, "/tf", self.callback, 100 if qos is None else qos)
        self.tf_static_sub = node.create_subscription(
            TFMessage, "/tf_static", self.static_callback, _latched(100) if static_qos is None else static_qos
        )

    def unregister(self) -> None:
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def callback(self, data: TFMessage) -> None:
        for transform in data.transforms:
            self.buffer.set_transform(transform, "default_authority")

    def static_callback(self, data: TFMessage) -> None:
        for transform in data.transforms:
            self.buffer.set_transform_static(transform, "default_authority")


def _as_list(transform: TransformStamped | Sequence[TransformStamped]) -> list[TransformStamped]:
    return list(transform) if hasattr(transform, "__iter__") else [transform]


class TransformBroadcaster:
    """Publishes transforms that change, all of a call in one message."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(TFMessage, "/tf", 100 if qos is None else qos)

    def sendTransform(self, transform: TransformStamped | Sequence[TransformStamped]) -> None:
        self.pub_tf.publish(TFMessage(transforms=_as_list(transform)))


class StaticTransformBroadcaster:
    """Publishes transforms that hold for good; who comes late gets all of them."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", _latched(1) if qos is None else qos)
        self._transforms: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Sequence[TransformStamped]) -> None:
        self._transforms.update({each.child_frame_id: each for each in _as_list(transform)})
        self.pub_tf.publish(TFMessage(transforms=list(self._transforms.values())))

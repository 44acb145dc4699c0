"""What is on the graph: for some seconds everything that looks like a camera is listened to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from refit_ros.node.advice import ImagesSeen, InfoSeen
from refit_ros.node.conversions import stamp_ns

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

IMAGE, COMPRESSED, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
OWN_OUTPUT = "/overlay"  # of this package: no camera's
LOOK_S = 0.25  # how often new topics are looked for
DEPTH_WORDS = ("depth", "disparity", "aligned_depth")


@dataclass
class _Heard:
    transport: str
    came: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    message: Any = None
    ages_s: list[float] = field(default_factory=list)


class Graph:
    """Listens by `node`, which `executor` spins."""

    def __init__(self, node: Node, executor: Executor) -> None:
        self._node, self._executor = node, executor
        self._heard: dict[str, _Heard] = {}
        self._infos: dict[str, Any] = {}
        self._known: set[tuple[str, str]] = set()
        self.parents: dict[str, str] = {}

    def listen(self, seconds: float, enough: Callable[[list[ImagesSeen]], bool] = lambda _: False) -> list[ImagesSeen]:
        """What came within so many seconds, or until it is `enough`, by topic. `parents` holds TF afterwards."""
        self._listen_to_transforms()
        end_s = time.monotonic() + seconds
        looked_s = float("-inf")
        while (now_s := time.monotonic()) < end_s:
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self._subscribe_to_new()
                if enough(self.seen()):
                    break
            self._executor.spin_once(timeout_sec=LOOK_S)
        return self.seen()

    def seen(self) -> list[ImagesSeen]:
        return [self._seen(topic, heard) for topic, heard in sorted(self._heard.items())]

    def _subscribe_to_new(self) -> None:
        """To topics that have turned up: discovery takes its time."""
        for topic, kinds in self._node.get_topic_names_and_types():
            for kind in kinds:
                if (topic, kind) not in self._known and self._publishers(topic):
                    self._known.add((topic, kind))
                    self._subscribe(topic, kind)

    def _subscribe(self, topic: str, kind: str) -> None:
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        if kind == INFO:
            self._node.create_subscription(CameraInfo, topic, lambda m, topic=topic: self._infos.__setitem__(topic, m), qos)
            return
        told_depth = any(word in topic.lower() for word in DEPTH_WORDS)
        if kind not in (IMAGE, COMPRESSED) or topic.endswith(OWN_OUTPUT) or told_depth:
            return
        if kind == COMPRESSED and not topic.endswith("/compressed"):
            return
        self._heard[topic] = _Heard("raw" if kind == IMAGE else "compressed")
        take = lambda message, topic=topic: self._take(topic, message)  # noqa: E731
        self._node.create_subscription(Image if kind == IMAGE else CompressedImage, topic, take, qos)

    def _take(self, topic: str, message: Any) -> None:
        heard, now_s = self._heard[topic], time.monotonic()
        heard.first_s = heard.first_s if heard.came else now_s
        heard.came, heard.last_s, heard.message = heard.came + 1, now_s, message
        stamp = stamp_ns(message.header.stamp)
        if stamp > 0:
            heard.ages_s.append((self._node.get_clock().now().nanoseconds - stamp) * 1e-9)

    def _listen_to_transforms(self) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from tf2_msgs.msg import TFMessage

        def take(message: Any) -> None:
            for each in message.transforms:
                self.parents[each.child_frame_id.removeprefix("/")] = each.header.frame_id.removeprefix("/")

        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(TFMessage, "/tf", take, 100)
        self._node.create_subscription(TFMessage, "/tf_static", take, latched)

    def _publishers(self, topic: str) -> list:
        return self._node.get_publishers_info_by_topic(topic)

    def _seen(self, topic: str, heard: _Heard) -> ImagesSeen:
        from rclpy.qos import ReliabilityPolicy

        publishers, message = self._publishers(topic), heard.message
        lasted_s = heard.last_s - heard.first_s
        compressed = heard.transport == "compressed"
        info_topic = topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
        return ImagesSeen(
            topic=topic,
            transport=heard.transport,
            publishers=len(publishers),
            reliable=any(each.qos_profile.reliability == ReliabilityPolicy.RELIABLE for each in publishers),
            came=heard.came,
            rate_hz=(heard.came - 1) / lasted_s if lasted_s > 0 else 0.0,
            encoding="" if message is None else message.format if compressed else message.encoding,
            size_px=None if message is None or compressed else (message.width, message.height),
            frame_id="" if message is None else message.header.frame_id.removeprefix("/"),
            age_s=sorted(heard.ages_s)[len(heard.ages_s) // 2] if heard.ages_s else None,
            info_topic=info_topic,
            info=_info(self._infos.get(info_topic)),
        )


def _info(message: Any) -> InfoSeen | None:
    if message is None:
        return None
    size_px = (message.width, message.height)
    return InfoSeen(message.header.frame_id.removeprefix("/"), size_px, float(message.k[4]), message.distortion_model)


def look(seconds: float, ros_arguments: list[str]) -> tuple[list[ImagesSeen], dict[str, str]]:
    """What came within so many seconds, and TF's parents. Raises ValueError on arguments that ROS does not take."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.impl.implementation_singleton import rclpy_implementation
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions

    try:
        rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
        node, executor = Node("refit_doctor"), SingleThreadedExecutor()
        executor.add_node(node)
        graph = Graph(node, executor)
        return graph.listen(seconds), graph.parents
    except (rclpy_implementation.RCLError, rclpy_implementation.UnknownROSArgsError) as error:
        raise ValueError(str(error)) from None
    finally:
        rclpy.try_shutdown()

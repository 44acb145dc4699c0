"""What the running node publishes, into a scene. Listens without holding anybody back: best effort, few kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.node.frames import NoTransform, lookup_in, matrix
from refit_ros.node.images import rgb_image
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.viewer.recorder import Recorder
from refit_ros.viewer.scene import Scene
from refit_ros.viewer.small_images import IMAGE_PERIOD_S, small

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.node.tf_intake import TransformIntake

PEOPLE = "human/smpl"
LOOK_S = 0.5
STATIC_ALONE_S = 2.0  # for all of the static transforms to come
PEOPLE_DEPTH = 50  # so that a short pause loses nothing of a recording
PEOPLES_FRAMES = b"human_"
NAME_BYTES = 256  # within which the first frames' names of a TFMessage stand


class Live:
    """Subscriptions of `node`; `images`: "camera", "overlay" or "none", may be changed at any time."""

    def __init__(
        self, node: Node, scene: Scene, recorder: Recorder, image_topic: str, camera_info_topic: str, transport: str
    ) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        from refit_ros.msg import SmplArray
        from refit_ros.node.compat import tf2_ros

        self._node, self._scene, self._recorder = node, scene, recorder
        self._image_topic, self._camera_info_topic, self._transport = image_topic, camera_info_topic, transport
        self.images = "camera"
        self._watched: dict[str, tuple[str, Any]] = {}
        self._infos: dict[str, Any] = {}
        self._due_s: dict[str, float] = {}
        self._buffer = tf2_ros.Buffer(node=node)
        self._lookup, self._transforms, self._static_s, self._hears_moving = lookup_in(self._buffer), None, 0.0, False
        people = node.create_subscription(SmplArray, PEOPLE, self._take_people, best_effort(PEOPLE_DEPTH))
        found, below, _ = people.topic_name.rpartition(f"/{PEOPLE}")
        self._namespace = found if below else node.get_namespace().rstrip("/")
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, best_effort(10))
        node.create_timer(LOOK_S, self._look)

    def place(self, target: str, source: str) -> np.ndarray | None:
        """(4, 4) of one frame in another, newest; None without a transform."""
        try:
            return matrix(*self._lookup(target, source, 0))
        except NoTransform:
            return None

    def _take_people(self, message: Any) -> None:
        self._recorder.add(self._scene.take_people(message, time.monotonic()))

    def _take_diagnostics(self, message: Any) -> None:
        """Of the nodes beside the people alone: all robots of a domain have one /diagnostics, and cameras called alike."""
        nodes = [each.name.partition(": ")[0] for each in message.status]
        message.status = [each for each, node in zip(message.status, nodes) if node.rpartition("/")[0] == self._namespace]
        self._scene.take_diagnostics(message, time.monotonic())

    def _look(self) -> None:
        """Subscribe to what is needed now, and to nothing else: the node draws overlays only for those who look."""
        from sensor_msgs.msg import CameraInfo

        for name in self._scene.cameras:
            if name not in self._infos:
                topic = self._camera_info_topic.format(camera=name)
                take = lambda message, name=name: self._scene.take_camera_info(name, message)  # noqa: E731
                self._infos[name] = self._node.create_subscription(CameraInfo, topic, take, best_effort(1))
            if self._watched.get(name, ("none", None))[0] != self.images:
                self._watch(name)
        now_s = time.monotonic()
        if self._transforms is None and self._scene.needs_transforms():
            self._transforms, self._static_s = self._listen_to_static_transforms(), now_s
        if self._transforms is not None and not self._hears_moving and now_s - self._static_s > STATIC_ALONE_S:
            if self._scene.lacks_places():
                self._listen_to_moving_transforms()

    def _watch(self, name: str) -> None:
        from sensor_msgs.msg import CompressedImage, Image

        _, before = self._watched.pop(name, ("none", None))
        if before is not None:
            self._node.destroy_subscription(before)
            self._scene.take_image(name, None)
        if self.images == "none":
            return
        kind, topic = Image, f"human/{name.strip('/')}/overlay"
        if self.images == "camera":
            topic = self._image_topic.format(camera=name)
            if self._transport == "compressed":
                kind, topic = CompressedImage, f"{topic}/compressed"
        take = lambda message, name=name: self._take_image(name, message)  # noqa: E731
        self._watched[name] = self.images, self._node.create_subscription(kind, topic, take, best_effort(1))

    def _take_image(self, name: str, message: Any) -> None:
        now_s = time.monotonic()
        if now_s < self._due_s.get(name, 0.0):
            return
        self._due_s[name] = now_s + IMAGE_PERIOD_S
        try:
            image = rgb_image(message)
        except Rejected:  # the node says why
            return
        self._scene.take_image(name, small(image))

    def _listen_to_static_transforms(self) -> TransformIntake:
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from tf2_msgs.msg import TFMessage

        from refit_ros.node.tf_intake import TransformIntake

        intake = TransformIntake(self._buffer, Rejections(lambda _: None), PEOPLES_FRAMES.decode(), lambda _: False)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(TFMessage, "/tf_static", intake.take_static, latched)
        return intake

    def _listen_to_moving_transforms(self) -> None:
        """For cameras that static ones do not place: while somebody listens to /tf, the node publishes people's frames."""
        from tf2_msgs.msg import TFMessage

        def take(data: bytes) -> None:
            if PEOPLES_FRAMES not in data[:NAME_BYTES]:
                self._transforms.take_raw(data)

        self._node.create_subscription(TFMessage, "/tf", take, 100, raw=True)
        self._hears_moving = True


def best_effort(depth: int):
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)

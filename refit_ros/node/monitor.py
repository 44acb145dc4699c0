"""Listens to everything that the refit node and the synthetic cameras publish, at the least possible cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from refit_ros import interrupt
from refit_ros.node.images import rgb_image
from refit_ros.node.synthetic_cameras import TRUTH_TOPIC

QUEUE = 100  # messages that may wait while something else is done


@dataclass
class Heard:
    """What came, as bytes: reading a message costs more than receiving it, and nothing of it may slow what is measured."""

    smpl: list[tuple[int, bytes]] = field(default_factory=list)  # time of arrival in ns since 1970, message
    truth: list[bytes] = field(default_factory=list)
    markers: int = 0
    tf: int = 0
    diagnostics: dict[str, dict] = field(default_factory=dict)  # name -> level, message, values: the latest
    world_from_frame: dict[str, np.ndarray] = field(default_factory=dict)  # (4, 4) of each static transform
    overlays: dict[str, np.ndarray] = field(default_factory=dict)  # camera -> (H, W, 3) RGB, the latest


class Monitor(Node):
    """Its `heard` grows while `listen` runs."""

    def __init__(self, **node_options) -> None:
        from tf2_msgs.msg import TFMessage

        from refit_ros.msg import SmplArray

        super().__init__("refit_monitor", **node_options)
        self.heard = Heard()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._overlay_subscriptions: dict[str, object] = {}
        latched = QoSProfile(depth=QUEUE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(SmplArray, "/human/smpl", self._on_smpl, qos_profile_sensor_data, raw=True)
        self.create_subscription(SmplArray, TRUTH_TOPIC, self._on_truth, QUEUE, raw=True)
        self.create_subscription(MarkerArray, "/human/markers", self._on_markers, qos_profile_sensor_data, raw=True)
        self.create_subscription(TFMessage, "/tf", self._on_tf, QUEUE, raw=True)
        self.create_subscription(TFMessage, "/tf_static", self._on_static, latched)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, QUEUE)

    def listen(self, seconds: float) -> None:
        """Receive for so long. Raises KeyboardInterrupt where a signal was noted."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            interrupt.check()
            self._executor.spin_once(timeout_sec=min(left_s, 0.1))

    def forget(self) -> None:
        """Start the counts and collections anew; what is known of frames and cameras stays."""
        old = self.heard
        self.heard = Heard(diagnostics=old.diagnostics, world_from_frame=old.world_from_frame, overlays=old.overlays)

    def take_overlays(self, cameras: list[str], at_most_s: float) -> dict[str, np.ndarray]:
        """Subscribe to the cameras' overlays until each has come once, and no longer: drawing costs the node time."""
        self.heard.overlays = {}
        subscriptions = [
            self.create_subscription(Image, f"/human/{camera}/overlay", self._overlay_of(camera), qos_profile_sensor_data)
            for camera in cameras
        ]
        end_s = time.monotonic() + at_most_s
        while len(self.heard.overlays) < len(cameras) and time.monotonic() < end_s:
            interrupt.check()
            self._executor.spin_once(timeout_sec=0.05)
        for subscription in subscriptions:
            self.destroy_subscription(subscription)
        return self.heard.overlays

    def close(self) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self.destroy_node()

    def _on_smpl(self, message: bytes) -> None:
        self.heard.smpl.append((time.time_ns(), message))

    def _on_truth(self, message: bytes) -> None:
        self.heard.truth.append(message)

    def _on_markers(self, message: bytes) -> None:
        self.heard.markers += 1

    def _on_tf(self, message: bytes) -> None:
        self.heard.tf += 1

    def _on_static(self, message) -> None:
        for transform in message.transforms:
            self.heard.world_from_frame[transform.child_frame_id] = matrix_from_transform(transform.transform)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self.heard.diagnostics[status.name] = {
                "level": level,
                "message": status.message,
                "values": {entry.key: entry.value for entry in status.values},
            }

    def _overlay_of(self, camera: str):
        def keep(message: Image) -> None:
            self.heard.overlays[camera] = rgb_image(message).copy()

        return keep


def matrix_from_transform(transform) -> np.ndarray:
    """(4, 4) of a geometry_msgs/Transform."""
    from scipy.spatial.transform import Rotation

    place, turn = transform.translation, transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    matrix[:3, 3] = place.x, place.y, place.z
    return matrix


def read_smpl(message: bytes):
    """The refit_ros/SmplArray in these bytes."""
    from refit_ros.msg import SmplArray

    return deserialize_message(message, SmplArray)

"""The topics between edges and fusion, and their QoS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

from refit_ros.node.cameras import Cameras
from refit_ros.node.inputs import IMAGES, Topic

if TYPE_CHECKING:
    from refit_ros.node.parameters import NodeParameters

BEST_EFFORT = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)  # bounded, what is lost is not sent again
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def evidence_topic(camera: str) -> str:
    return f"human/{camera.strip('/')}/evidence"


def expectation_topic(camera: str) -> str:
    return f"human/{camera.strip('/')}/expectation"


def calibration_topic(camera: str) -> str:
    """The edge's own copy, latched: a driver's comes with every image."""
    return f"human/{camera.strip('/')}/camera_info"


class EvidenceTopics(Cameras):
    """Subscribes to the edges of all cameras; what comes goes the way of images."""

    def _subscribe(self, name: str, parameters: NodeParameters, found: str) -> None:
        from sensor_msgs.msg import CameraInfo

        from refit_ros.msg import ViewEvidence

        topic = evidence_topic(name)
        for kind, topic_name, take, qos in (
            (CameraInfo, calibration_topic(name), self._intake.camera_info, LATCHED),
            (ViewEvidence, topic, self._intake.evidence, BEST_EFFORT),
        ):
            what = IMAGES if kind is ViewEvidence else "calibrations"
            callback = partial(self._on_message, take=take, camera=name, what=what)
            self._subscriptions.append(self._node.create_subscription(kind, topic_name, callback, qos))
        self._inputs.expect(Topic(name, IMAGES, self._node.resolve_topic_name(topic), "refit_ros/msg/ViewEvidence"))

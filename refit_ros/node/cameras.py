"""The cameras' subscriptions, and the timer that sends on what has waited long enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data

from refit_ros.node.compat import message_filters
from refit_ros.node.inputs import BOXES, CALIBRATIONS, IMAGES, KEYPOINTS, Inputs, Topic
from refit_ros.node.intake import Intake

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.node.parameters import NodeParameters
    from refit_ros.node.sets import FrameSet

SHORTEST_WAIT_S = 0.001


class Cameras:
    """Subscribes for all cameras and calls `deliver` with each synchronized set, in the executor's thread.

    Sets are not built by message_filters.ApproximateTimeSynchronizer: one camera that stalls silences it.
    Waiting is done on a steady clock: with simulated time and no /clock, ROS timers never fire.
    """

    def __init__(
        self,
        node: Node,
        parameters: NodeParameters,
        intake: Intake,
        found: str,
        deliver: Callable[[FrameSet], None],
        inputs: Inputs,
    ) -> None:
        self._node, self._intake, self._deliver, self._inputs = node, intake, deliver, inputs
        self._subscriptions: list = []
        self._unlatched: dict[str, str] = {}  # camera -> topic of its calibration, not yet asked for as latched
        self._timer = node.create_timer(1.0, self._on_deadline, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()
        for name in parameters.cameras:
            self._subscribe(name, parameters, found)

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._node.destroy_timer(self._timer)

    def _subscribe(self, name: str, parameters: NodeParameters, found: str) -> None:
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        compressed = parameters.image_transport == "compressed"
        wanted = [
            (CALIBRATIONS, CameraInfo, parameters.camera_info_topic, self._intake.camera_info),
            (
                IMAGES,
                CompressedImage if compressed else Image,
                parameters.image_topic + ("/compressed" if compressed else ""),
                self._intake.image,
            ),
        ]
        if found == BOXES:
            wanted.append((BOXES, detection_type(), parameters.detection_topic, self._intake.boxes))
        elif found == KEYPOINTS:
            from refit_ros.msg import Keypoints

            wanted.append((KEYPOINTS, Keypoints, parameters.keypoint_topic, self._intake.keypoints))
        for what, kind, template, take in wanted:
            subscriber = message_filters.Subscriber(
                self._node, kind, template.format(camera=name), qos_profile=qos_profile_sensor_data
            )
            subscriber.registerCallback(self._on_message, take, name, what)
            full = self._node.resolve_topic_name(template.format(camera=name))
            self._inputs.expect(Topic(name, what, full, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"))
            self._subscriptions.append(subscriber.sub)
        self._intake.note_topic(name, self._node.resolve_topic_name(parameters.image_topic.format(camera=name)))
        self._unlatched[name] = self._node.resolve_topic_name(parameters.camera_info_topic.format(camera=name))

    def look_for_latched(self) -> None:
        """Call now and then: a calibration that was published once, before this node came, is asked for as well.

        Only where somebody offers it: a driver that does not would log a warning about this subscription.
        """
        from sensor_msgs.msg import CameraInfo

        for camera, topic in list(self._unlatched.items()):
            offered = any(
                each.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
                for each in self._node.get_publishers_info_by_topic(topic)
            )
            if offered:
                del self._unlatched[camera]
                latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
                self._subscriptions.append(
                    self._node.create_subscription(
                        CameraInfo,
                        topic,
                        partial(self._on_message, take=self._intake.camera_info, camera=camera),
                        latched,
                        event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                    )
                )

    def _on_message(
        self, message: Any, take: Callable[[str, Any, float], list[FrameSet]], camera: str, what: str = CALIBRATIONS
    ) -> None:
        self._inputs.note(camera, what)
        self._send_on(take(camera, message, time.monotonic()))

    def _on_deadline(self) -> None:
        self._send_on(self._intake.poll(time.monotonic()))

    def _send_on(self, ready: list[FrameSet]) -> None:
        for found in ready:
            self._deliver(found)
        due_s = self._intake.next_deadline_s()
        if due_s is None:  # nothing waits: nothing to wake up for
            self._timer.cancel()
            return
        self._timer.timer_period_ns = round(max(due_s - time.monotonic(), SHORTEST_WAIT_S) * 1e9)
        self._timer.reset()


def detection_type() -> type:
    """vision_msgs/Detection2DArray where it is installed, else geometry_msgs/PolygonStamped (two corners a box)."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError:
        from geometry_msgs.msg import PolygonStamped

        return PolygonStamped
    return Detection2DArray

"""The cameras' subscriptions: what comes is checked, counted, put into sets and handed on. No callback can raise."""
from __future__ import annotations

import functools
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable

from rclpy.clock import Clock, ClockType
from rclpy.qos import qos_profile_sensor_data

from refit_ros.node import conversions
from refit_ros.node.boxes import BoxJoin
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.sets import Frame, FrameSet, SetBuilder

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.node.parameters import NodeParameters
    from refit_ros.people.calibration import Calibration

SHORTEST_WAIT_S = 0.001


def never_raises(callback: Callable) -> Callable:
    """For callbacks `(self, camera, ...)`: what is rejected is counted, and so is a mistake of this program."""
    @functools.wraps(callback)
    def guarded(self: Cameras, camera: str, *messages: Any) -> None:
        try:
            callback(self, camera, *messages)
        except Rejected as rejected:
            self.rejections.add(camera, rejected.reason, str(rejected))
        except Exception:
            self.rejections.add(camera, "internal error", traceback.format_exc())
    return guarded


class Cameras:
    """Subscribes for all cameras and calls `deliver` with each synchronized set, in the executor's thread.

    Waiting is done on a steady clock: with simulated time and no /clock, ROS timers never fire.
    """

    def __init__(self, node: Node, parameters: NodeParameters, detections: bool, rejections: Rejections,
                 deliver: Callable[[FrameSet], None]) -> None:
        self.names = list(parameters.cameras)
        self.rejections, self.pictures = rejections, {name: 0 for name in self.names}
        self.builder = SetBuilder(self.names, round(parameters.sync_slop_s * 1e9), parameters.sync_deadline_s,
                                  parameters.camera_timeout_s)
        self._node, self._deliver, self._class = node, deliver, parameters.detection_class
        self._calibrations: dict[str, tuple[tuple, Calibration]] = {}
        self._uncalibrated: dict[str, Any] = {}
        self._joins = {name: BoxJoin(parameters.detection_wait_s) for name in self.names} if detections else {}
        self._subscriptions, self._info_topics = [], {}
        self._timer = node.create_timer(1.0, functools.partial(self._on_deadline, ""), clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()
        for name in self.names:
            self._subscribe(name, parameters)

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._node.destroy_timer(self._timer)

    def _subscribe(self, name: str, parameters: NodeParameters) -> None:
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image
        compressed = parameters.image_transport == "compressed"
        image_topic = parameters.image_topic.format(camera=name) + ("/compressed" if compressed else "")
        self._info_topics[name] = self._node.resolve_topic_name(parameters.camera_info_topic.format(camera=name))
        wanted = [(CompressedImage if compressed else Image, image_topic, self._on_image),
                  (CameraInfo, parameters.camera_info_topic.format(camera=name), self._on_camera_info)]
        if self._joins:
            wanted.append((detection_type(), parameters.detection_topic.format(camera=name), self._on_boxes))
        for kind, topic, callback in wanted:
            self._subscriptions.append(self._node.create_subscription(
                kind, topic, functools.partial(callback, name), qos_profile_sensor_data))

    @never_raises
    def _on_camera_info(self, camera: str, message: Any) -> None:
        key = _calibration_key(message)
        known = self._calibrations.get(camera)
        if known is None or known[0] != key:
            self._calibrations.pop(camera, None)   # pictures of a camera that now claims nonsense are of no use
            self._calibrations[camera] = key, conversions.calibration(camera, message)
            if camera in self._uncalibrated:
                self._take(camera, self._uncalibrated.pop(camera))

    @never_raises
    def _on_image(self, camera: str, message: Any) -> None:
        conversions.check_picture(message)
        if camera in self._calibrations:
            self._take(camera, message)
            return
        # The very first picture may arrive before the calibration that was sent with it: the last one is kept.
        previous, self._uncalibrated[camera] = self._uncalibrated.get(camera), message
        if previous is not None:
            raise Rejected("no CameraInfo", f"pictures come, but no usable CameraInfo on {self._info_topics[camera]}")

    def _take(self, camera: str, message: Any) -> None:
        calibration = self._calibrations[camera][1]
        if not conversions.is_compressed(message):
            conversions.check_size((message.width, message.height), calibration)
        self.pictures[camera] += 1
        frame = Frame(camera, conversions.stamp_ns(message.header.stamp),
                      message.header.frame_id or calibration.frame_id or camera, message, calibration)
        now_s = time.monotonic()
        self._hand_on([frame] if not self._joins else self._joins[camera].add_frame(frame, now_s), now_s)

    @never_raises
    def _on_boxes(self, camera: str, message: Any) -> None:
        now_s = time.monotonic()
        boxes = conversions.boxes(message, self._class)
        self._hand_on(self._joins[camera].add_boxes(conversions.stamp_ns(message.header.stamp), boxes, now_s), now_s)

    @never_raises
    def _on_deadline(self, camera: str) -> None:
        self._timer.cancel()
        now_s = time.monotonic()
        for join in self._joins.values():
            self._hand_on(join.poll(now_s), now_s)
        self._hand_on([], now_s)

    def _hand_on(self, frames: list[Frame], now_s: float) -> None:
        for frame in frames:
            self._deliver_if(self.builder.add(frame, now_s))
        while (overdue := self.builder.poll(now_s)) is not None:
            self._deliver(overdue)
        self._wake_at(now_s)

    def _deliver_if(self, complete: FrameSet | None) -> None:
        if complete is not None:
            self._deliver(complete)

    def _wake_at(self, now_s: float) -> None:
        """Let the timer fire once, when the next set or picture is due; nothing to wait for costs nothing."""
        due = [at for at in (self.builder.next_deadline_s(), *(join.next_deadline_s() for join in self._joins.values()))
               if at is not None]
        if not due:
            self._timer.cancel()
            return
        self._timer.timer_period_ns = round(max(min(due) - now_s, SHORTEST_WAIT_S) * 1e9)
        self._timer.reset()


def _calibration_key(message: Any) -> tuple:
    roi = message.roi
    return (message.width, message.height, message.k.tobytes(), tuple(message.d), message.distortion_model,
            message.binning_x, message.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height, message.header.frame_id)


def detection_type() -> type:
    """vision_msgs/Detection2DArray where it is installed, else geometry_msgs/PolygonStamped (two corners a box)."""
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError:
        from geometry_msgs.msg import PolygonStamped
        return PolygonStamped
    return Detection2DArray

"""What comes from the cameras is checked, counted, joined with its calibration and boxes, and put into sets.

No subscriptions and no clock in here: the live node and a recorded bag use it alike.
"""

from __future__ import annotations

import functools
import re
import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from refit_ros.node import conversions, images
from refit_ros.node.boxes import Found, FoundJoin
from refit_ros.node.inputs import BOXES, CALIBRATIONS, IMAGES, KEYPOINTS
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.sets import Frame, FrameSet, SetBuilder

if TYPE_CHECKING:
    from refit_ros.camera.calibration import Calibration
    from refit_ros.node.parameters import NodeParameters

# image_proc's names (image_rect, image_rect_color, image_rect_raw), and those of ZED, OAK and others: rect/image, rectified
RECTIFIED_TOPIC = re.compile(r"(?<![a-z])(rect|rectified|undistorted|undistort)(?![a-z])", re.IGNORECASE)

NO_CAMERA_INFO, NO_CALIBRATION = "no CameraInfo", "images come, but no usable CameraInfo"


def never_raises(take: Callable) -> Callable:
    """For methods `(self, camera, message, now_s) -> sets`: what is rejected is counted, a mistake of this program too."""

    @functools.wraps(take)
    def guarded(self: Intake, camera: str, *rest: Any) -> list[FrameSet]:
        try:
            return take(self, camera, *rest)
        except Rejected as rejected:
            self.rejections.add(camera, rejected.reason, str(rejected))
        except Exception as error:
            self.rejections.add(camera, "internal error", f"{type(error).__name__}: {error}", traceback.format_exc())
        return []

    return guarded


class Intake:
    """Every method gives the sets that are ready now; `now_s` is a steady clock's."""

    def __init__(
        self, parameters: NodeParameters, found: str, rejections: Rejections, builder: SetBuilder | None = None
    ) -> None:
        """found: what others find in the images, BOXES, KEYPOINTS or nothing. builder: in place of one that joins the images
        of all cameras."""
        self.cameras = list(parameters.cameras)
        self.rejections = rejections
        self.images = {name: 0 for name in self.cameras}  # usable ones that came
        self.calibrations = {name: 0 for name in self.cameras}  # messages, the same one again and again
        self.used: Counter[tuple[str, str]] = Counter()  # (camera, what): messages that went into a set, or held there
        self.builder = builder or SetBuilder(
            self.cameras, round(parameters.sync_slop_s * 1e9), parameters.sync_deadline_s, parameters.camera_timeout_s
        )
        self.rectified = {name for name in self.cameras if parameters.rectified}  # whose images have no lens any more
        for name in self.cameras:
            self.note_topic(name, parameters.image_topic.format(camera=name))
        self._class = parameters.detection_class
        self._joins = {name: FoundJoin(parameters.detection_wait_s) for name in self.cameras} if found else {}
        self._calibrations: dict[str, tuple[tuple, Calibration]] = {}
        self._uncalibrated: dict[str, Any] = {}

    def note_topic(self, camera: str, image_topic: str) -> None:
        """The name that a camera's images really come under: image_proc's says that the lens is taken out already."""
        if RECTIFIED_TOPIC.search(image_topic) and camera not in self.rectified:
            self.rectified.add(camera)
            self.rejections.say_once(
                camera, "rectified", f"images of {image_topic} are taken as rectified: P of CameraInfo is used, and no lens"
            )

    @never_raises
    def camera_info(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        self.calibrations[camera] += 1
        key = _calibration_key(message)
        known = self._calibrations.get(camera)
        if known is not None and known[0] == key:
            self.used[camera, CALIBRATIONS] += 1
            return []
        self._calibrations.pop(camera, None)  # images of a camera that now claims nonsense are of no use
        self._calibrations[camera] = key, conversions.calibration(camera, message, camera in self.rectified)
        self.used[camera, CALIBRATIONS] += 1
        waiting = self._uncalibrated.pop(camera, None)
        return [] if waiting is None else self._image(camera, waiting, now_s)

    @never_raises
    def image(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        images.check_image(message)
        if camera in self._calibrations:
            return self._image(camera, message, now_s)
        # The very first image may arrive before the calibration that was sent with it: the last one is kept.
        previous, self._uncalibrated[camera] = self._uncalibrated.get(camera), message
        if previous is not None:
            raise Rejected(NO_CAMERA_INFO, NO_CALIBRATION)
        return []

    @never_raises
    def boxes(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        return self._found(camera, message, conversions.boxes(message, self._class), now_s)

    @never_raises
    def keypoints(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        return self._found(camera, message, conversions.keypoints(message), now_s)

    def _found(self, camera: str, message: Any, found: Found, now_s: float) -> list[FrameSet]:
        return self._hand_on(self._joins[camera].add_found(conversions.stamp_ns(message.header.stamp), found, now_s), now_s)

    def ahead_s(self, camera: str) -> float | None:
        """See `FoundJoin.ahead_s`."""
        return self._joins[camera].ahead_s if camera in self._joins else None

    def give_up_waiting(self) -> None:
        """For a CameraInfo: nothing comes any more."""
        for camera in self._uncalibrated:
            self.rejections.add(camera, NO_CAMERA_INFO, NO_CALIBRATION)
        self._uncalibrated.clear()

    def poll(self, now_s: float) -> list[FrameSet]:
        """What has waited long enough."""
        return self._hand_on([frame for join in self._joins.values() for frame in join.poll(now_s)], now_s)

    def next_deadline_s(self) -> float | None:
        """When `poll` should be called next; None: nothing waits."""
        due = [self.builder.next_deadline_s(), *(join.next_deadline_s() for join in self._joins.values())]
        return min((at for at in due if at is not None), default=None)

    def _image(self, camera: str, message: Any, now_s: float) -> list[FrameSet]:
        calibration = self._calibrations[camera][1]
        if not images.is_compressed(message):
            images.check_size((message.width, message.height), calibration)
        self.images[camera] += 1
        if message.header.frame_id.startswith("/"):
            self.rejections.say_once(
                camera, "slash", f"frame '{message.header.frame_id}' begins with a slash, as in ROS 1: it is taken without"
            )
        frame = Frame(
            camera,
            conversions.stamp_ns(message.header.stamp),
            conversions.frame_id_of(message) or calibration.frame_id or camera,
            message,
            calibration,
        )
        return self._hand_on(self._joins[camera].add_frame(frame, now_s) if self._joins else [frame], now_s)

    def _hand_on(self, frames: list[Frame], now_s: float) -> list[FrameSet]:
        ready = [self.builder.add(frame, now_s) for frame in frames]
        while (overdue := self.builder.poll(now_s)) is not None:
            ready.append(overdue)
        sets = [found for found in ready if found is not None]
        for frame in (frame for found in sets for frame in found.frames):
            self.used[frame.camera, IMAGES] += 1
            self.used[frame.camera, BOXES] += frame.boxes is not None
            if frame.keypoints is not None:
                self.used[frame.camera, KEYPOINTS] += 1
        return sets


def _calibration_key(message: Any) -> tuple:
    roi = message.roi
    return (
        message.width,
        message.height,
        message.k.tobytes(),
        tuple(message.d),
        message.distortion_model,
        message.binning_x,
        message.binning_y,
        roi.x_offset,
        roi.y_offset,
        roi.width,
        roi.height,
        message.header.frame_id,
        tuple(message.p),
    )

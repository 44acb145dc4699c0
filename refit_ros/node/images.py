"""Images from messages: what can be told of one before it is decoded, and decoding it to RGB.

Works on rclpy's messages and on those of a bag reader alike: only the fields' names matter. What cannot be used
raises `Rejected` with one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.image_bytes import WrongSize, decode_topic_image, eight_bits
from refit_ros.core.errors import InputError
from refit_ros.node.conversions import stamp_ns
from refit_ros.node.rejections import Rejected
from refit_ros.node.silenced import decoders_silenced

if TYPE_CHECKING:
    from refit_ros.node.sets import Frame

# What OpenCV does to get RGB ("": nothing) and the channels of 8 bits. OpenCV names a Bayer pattern after its second row.
_EIGHT_BIT = {
    "rgb8": ("", 3),
    "8UC3": ("BGR2RGB", 3),
    "bgr8": ("BGR2RGB", 3),
    "rgba8": ("RGBA2RGB", 4),
    "bgra8": ("BGRA2RGB", 4),
    "8UC4": ("BGRA2RGB", 4),
    "mono8": ("GRAY2RGB", 1),
    "8UC1": ("GRAY2RGB", 1),
    "bayer_rggb8": ("BayerBG2RGB", 1),
    "bayer_bggr8": ("BayerRG2RGB", 1),
    "bayer_gbrg8": ("BayerGR2RGB", 1),
    "bayer_grbg8": ("BayerGB2RGB", 1),
    "yuv422": ("YUV2RGB_UYVY", 2),
    "uyvy": ("YUV2RGB_UYVY", 2),
    "yuv422_yuy2": ("YUV2RGB_YUYV", 2),
    "yuyv": ("YUV2RGB_YUYV", 2),
}
# Left to cv_bridge: channels of 16 bits.
_SIXTEEN_BIT = {
    "mono16": 1,
    "rgb16": 3,
    "bgr16": 3,
    "rgba16": 4,
    "bgra16": 4,
    "bayer_rggb16": 1,
    "bayer_bggr16": 1,
    "bayer_gbrg16": 1,
    "bayer_grbg16": 1,
}


def is_compressed(message: Any) -> bool:
    return hasattr(message, "format")


def is_colour(encoding: str) -> bool:
    """Whether an Image of this encoding is a colour or grey one that can be read."""
    return encoding in _EIGHT_BIT or encoding in _SIXTEEN_BIT


def check_image(message: Any) -> None:
    """What can be told of an Image or CompressedImage without decoding it. Raises Rejected."""
    if stamp_ns(message.header.stamp) <= 0:
        raise Rejected(
            "no stamp",
            f"an image has no capture time (its stamp is {message.header.stamp.sec} s): "
            "the camera's driver must set header.stamp",
        )
    if is_compressed(message):
        if not len(message.data):
            raise Rejected("zero size", "a compressed image of 0 bytes")
        return
    if message.width == 0 or message.height == 0:
        raise Rejected("zero size", f"an image of {message.width} x {message.height} px")
    row_bytes = message.width * _pixel_bytes(message.encoding)
    if message.step < row_bytes:
        raise Rejected(
            "wrong step", f"step is {message.step} bytes, and {message.width} px in '{message.encoding}' take {row_bytes}"
        )
    if len(message.data) != message.step * message.height:
        raise Rejected(
            "wrong data length",
            f"{message.height} rows of {message.step} bytes were announced, {len(message.data)} bytes came",
        )


def _pixel_bytes(encoding: str) -> int:
    if encoding in _EIGHT_BIT:
        return _EIGHT_BIT[encoding][1]
    if encoding in _SIXTEEN_BIT:
        return 2 * _SIXTEEN_BIT[encoding]
    raise Rejected(
        "unknown encoding",
        f"encoding '{encoding}' is no colour or grey image; known are {', '.join([*_EIGHT_BIT, *_SIXTEEN_BIT])}",
    )


def rgb_image(message: Any, camera: Calibration | None = None) -> np.ndarray:
    """Image or CompressedImage -> (H, W, 3) uint8 RGB, possibly the message's own memory. Raises Rejected.

    camera: what the image is of; a compressed one of another size is not decoded. None: of any size within the limit.
    """
    try:
        return _decompressed(message, camera) if is_compressed(message) else _decoded(message)
    except cv2.error as error:
        raise Rejected("cannot be decoded", f"an image could not be turned into RGB: {error.err}") from error


def _decompressed(message: Any, camera: Calibration | None) -> np.ndarray:
    size = (camera.width_px, camera.height_px) if camera else None
    try:
        with decoders_silenced():
            return decode_topic_image(memoryview(message.data).cast("B"), size).image
    except WrongSize as error:
        check_size(error.size_px, camera)
        raise
    except InputError as error:
        raise Rejected("cannot be decoded", f"{error} (format '{message.format[:40]}')") from error


def _decoded(message: Any) -> np.ndarray:
    check_image(message)
    if message.encoding in _SIXTEEN_BIT:
        return _by_cv_bridge(message)
    conversion, channels = _EIGHT_BIT[message.encoding]
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    image = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    if not conversion:
        return image
    return cv2.cvtColor(image, getattr(cv2, f"COLOR_{conversion}"))


def _by_cv_bridge(message: Any) -> np.ndarray:
    from refit_ros.node.compat import cv_bridge

    try:
        return eight_bits(cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb16"))[0]
    except cv_bridge.CvBridgeError as error:
        raise Rejected("cannot be decoded", f"cv_bridge: {error}") from error


def decoded(frame: Frame) -> np.ndarray:
    """The image of a frame, as `rgb_image`, of the size that its calibration says. Raises Rejected."""
    image = rgb_image(frame.message, frame.calibration)
    check_size((image.shape[1], image.shape[0]), frame.calibration)
    return image


def check_size(image_size: tuple[int, int], camera: Calibration) -> None:
    """(width, height) of an image against its calibration. Raises Rejected."""
    if image_size != (camera.width_px, camera.height_px):
        raise Rejected(
            "size differs from CameraInfo",
            f"the image is {image_size[0]} x {image_size[1]} px, its CameraInfo "
            f"is for {camera.width_px} x {camera.height_px}",
        )

"""cv_bridge for a machine where it is absent, or was built for another NumPy: CvBridge and CvBridgeError.

The interface and the meaning of the encodings are cv_bridge's. Unlike it, a message whose size, step or data do not
agree raises CvBridgeError too, not whatever NumPy says about it.
"""

from __future__ import annotations

import array
import re
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CompressedImage, Image


class CvBridgeError(TypeError):
    """An image that cannot be read, or cannot be turned into that encoding."""


@dataclass(frozen=True)
class _Encoding:
    dtype: np.dtype
    channels: int
    to_rgb: str | None = None  # OpenCV's conversion to RGB; "" where it is RGB, None where it has no colours
    from_rgb: str | None = None  # and from RGB; None where there is no way back


def _colours() -> dict[str, _Encoding]:
    table = {}
    for bits in (8, 16):
        dtype = np.dtype(f"uint{bits}")
        table[f"rgb{bits}"] = _Encoding(dtype, 3, "", "")
        table[f"bgr{bits}"] = _Encoding(dtype, 3, "COLOR_BGR2RGB", "COLOR_RGB2BGR")
        table[f"rgba{bits}"] = _Encoding(dtype, 4, "COLOR_RGBA2RGB", "COLOR_RGB2RGBA")
        table[f"bgra{bits}"] = _Encoding(dtype, 4, "COLOR_BGRA2RGB", "COLOR_RGB2BGRA")
        table[f"mono{bits}"] = _Encoding(dtype, 1, "COLOR_GRAY2RGB", "COLOR_RGB2GRAY")
        # OpenCV names a Bayer pattern after its second row, ROS after the first
        for ros, opencv in (("rggb", "BG"), ("bggr", "RG"), ("gbrg", "GR"), ("grbg", "GB")):
            table[f"bayer_{ros}{bits}"] = _Encoding(dtype, 1, f"COLOR_Bayer{opencv}2RGB")
    for name in ("yuv422", "uyvy"):
        table[name] = _Encoding(np.dtype("uint8"), 2, "COLOR_YUV2RGB_UYVY")
    for name in ("yuv422_yuy2", "yuyv"):
        table[name] = _Encoding(np.dtype("uint8"), 2, "COLOR_YUV2RGB_YUYV")
    return table


_COLOURS = _colours()
_PLAIN = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)C([1-4])")
_DTYPES = {"8U": "uint8", "8S": "int8", "16U": "uint16", "16S": "int16", "32S": "int32", "32F": "float32", "64F": "float64"}


def _encoding(name: str) -> _Encoding:
    """Raises CvBridgeError for a name that is no encoding."""
    if name in _COLOURS:
        return _COLOURS[name]
    plain = _PLAIN.fullmatch(name)
    if plain is None:
        raise CvBridgeError(f"unknown image encoding '{name}'")
    return _Encoding(np.dtype(_DTYPES[plain[1]]), int(plain[2]))


def _converted(image: np.ndarray, source: str, target: str) -> np.ndarray:
    """Raises CvBridgeError where one of the two has no colours, or the target cannot be made."""
    import cv2

    begin, end = _encoding(source), _encoding(target)
    if source == target:
        return image
    if begin.to_rgb is None or end.to_rgb is None:
        if (begin.dtype, begin.channels) == (end.dtype, end.channels):
            return image
        raise CvBridgeError(f"an image in '{source}' cannot become '{target}': one of them has no colours")
    if end.from_rgb is None:
        raise CvBridgeError(f"an image cannot be converted into '{target}'")
    try:
        if begin.to_rgb != end.to_rgb:
            image = cv2.cvtColor(image, getattr(cv2, begin.to_rgb)) if begin.to_rgb else image
            image = cv2.cvtColor(image, getattr(cv2, end.from_rgb)) if end.from_rgb else image
    except cv2.error as error:
        raise CvBridgeError(f"an image in '{source}' of shape {image.shape} cannot become '{target}': {error}") from error
    if begin.dtype == end.dtype:
        return image
    scale = np.iinfo(end.dtype).max / np.iinfo(begin.dtype).max
    return np.rint(image * scale).astype(end.dtype)


class CvBridge:
    """Image messages to arrays and back."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """(H, W) or (H, W, C). With "passthrough", or the encoding it has, it may share the message's memory."""
        encoding = _encoding(img_msg.encoding)
        height, width, step = img_msg.height, img_msg.width, img_msg.step
        row_bytes = width * encoding.channels * encoding.dtype.itemsize
        if height == 0 or width == 0:
            raise CvBridgeError(f"the image is {width} x {height} px")
        if step < row_bytes or len(img_msg.data) < step * (height - 1) + row_bytes:
            raise CvBridgeError(
                f"{width} x {height} px in '{img_msg.encoding}' with a step of {step} bytes do not fit "
                f"into {len(img_msg.data)} bytes"
            )
        dtype = encoding.dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        value = encoding.dtype.itemsize
        image = np.ndarray(
            (height, width, encoding.channels),
            dtype,
            buffer=np.frombuffer(img_msg.data, np.uint8),
            strides=(step, encoding.channels * value, value),
        )
        image = np.ascontiguousarray(image[..., 0] if encoding.channels == 1 else image, encoding.dtype)
        if desired_encoding == "passthrough":
            return image
        return _converted(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray, encoding: str = "passthrough", header=None) -> Image:
        if not isinstance(cvim, np.ndarray):
            raise TypeError("the image is not a NumPy array")
        channels = 1 if cvim.ndim == 2 else cvim.shape[2]
        kind = next((name for name, dtype in _DTYPES.items() if cvim.dtype == dtype), None)
        if cvim.ndim not in (2, 3) or kind is None:
            raise CvBridgeError(f"an array of {cvim.dtype} and shape {cvim.shape} is no image")
        if encoding == "passthrough":
            encoding = f"{kind}C{channels}"
        expected = _encoding(encoding)
        if (expected.dtype, expected.channels) != (cvim.dtype, channels):
            raise CvBridgeError(f"encoding '{encoding}' was asked for, and the image is {kind}C{channels}")
        message = Image(height=cvim.shape[0], width=cvim.shape[1], encoding=encoding)
        if header is not None:
            message.header = header
        message.is_bigendian = cvim.dtype.byteorder == ">"
        data = array.array("B")
        data.frombytes(np.ascontiguousarray(cvim).data.cast("B"))
        message.data = data  # an array.array is taken as it is; bytes would be checked one by one
        message.step = cvim.shape[1] * channels * cvim.itemsize
        return message

    def compressed_imgmsg_to_cv2(self, cmprs_img_msg: CompressedImage, desired_encoding: str = "passthrough") -> np.ndarray:
        import cv2

        from refit_ros.camera.image_header import read_header
        from refit_ros.core.limits import limit

        data = np.frombuffer(cmprs_img_msg.data, np.uint8)
        header = read_header(data.tobytes())
        if header is not None and header.pixels > limit("image_megapixels") * 1_000_000:
            raise CvBridgeError(f"the image is {header.width_px} x {header.height_px} px, more than the limit")
        try:
            image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if header else None
        except cv2.error:
            image = None
        if image is None:
            raise CvBridgeError(f"{data.size} bytes in format '{cmprs_img_msg.format}' are no image that can be read")
        if desired_encoding == "passthrough":
            return image
        bits = image.dtype.itemsize * 8
        source = {1: f"mono{bits}", 3: f"bgr{bits}", 4: f"bgra{bits}"}.get(1 if image.ndim == 2 else image.shape[2], "")
        return _converted(image, source, desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim: np.ndarray, dst_format: str = "jpg") -> CompressedImage:
        import cv2

        try:
            written, data = cv2.imencode(f".{dst_format}", cvim)
        except cv2.error as error:
            raise CvBridgeError(f"the image cannot be written as '{dst_format}': {error}") from error
        if not written:
            raise CvBridgeError(f"the image cannot be written as '{dst_format}'")
        message = CompressedImage(format=dst_format)
        message.data = array.array("B", data.tobytes())
        return message

"""Encoded images become arrays: from a topic, where the calibration tells the size, and from files, where a limit does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.image_header import JPEG, PNG, ImageHeader, count_scans, is_cut_off, is_overstated, read_header
from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import check_regular, open_regular, shown, what_it_is, whole_file

_READABLE = ("a PNG", "a JPEG", "a BMP", "a WebP", "a TIFF")
_DEPTHS = (8, 10, 12, 14, 16)  # bits that sensors have


@dataclass(frozen=True)
class Decoded:
    """image: (H, W, 3) uint8 RGB; bits: those that a channel of 16 bits really held, 8 for others."""

    image: np.ndarray
    bits: int = 8


def decode_topic_image(data: bytes | memoryview, size_px: tuple[int, int] | None = None) -> Decoded:
    """The JPEG or PNG of a topic as it is stored, not turned by EXIF.

    size_px: (width, height) of its calibration; nothing of another size is decoded, and nothing beyond the limit for files:
    the calibration may come from the same stranger.
    Raises WrongSize, InputError.
    """
    header = read_header(data)
    if header is None or header.kind not in (JPEG, PNG):
        kind = header.kind if header else what_it_is(bytes(data[:512])).split(":")[0]
        if kind in ("a PNG image", "a JPEG image"):
            raise InputError(f"this {kind.split()[1]} image of {len(data)} bytes is cut off or damaged")
        they_are = f" (they are {kind[:80]})" if kind else ""
        raise InputError(f"{len(data)} bytes are neither a JPEG nor a PNG image{they_are}")
    limits.check(header.pixels, "image_megapixels", f"the image is {header.width_px} x {header.height_px} px", 1_000_000)
    if size_px is not None and (header.width_px, header.height_px) != size_px:
        raise WrongSize(header.width_px, header.height_px)
    return _decode(header, data, turned=False)


class WrongSize(InputError):
    """An image of another size than the calibration's."""

    def __init__(self, width_px: int, height_px: int) -> None:
        super().__init__(f"the image is {width_px} x {height_px} px")
        self.size_px = width_px, height_px


def read_image_file(path: str | Path) -> Decoded:
    """An image file, its size looked at first. Raises InputError: the end of a sentence about the file."""
    with open_regular(path) as file:
        size = check_regular(path)
        limits.check(size, "image_file_megabytes", f"the file has {size // limits.MEGABYTE} MB", limits.MEGABYTE)
        return decode_file_image(file.read(size))


def write_image_file(path: Path, image: np.ndarray) -> None:
    """(H, W, 3) uint8 RGB, as the path's ending says. Raises OSError where it cannot be written, which OpenCV's own writing
    answers with a False that nobody reads; nothing half done is left there."""
    written, content = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not written:
        raise InputError(f"an image of {image.shape[1]} x {image.shape[0]} px could not be encoded for {shown(path)}")
    with whole_file(path) as file:
        file.write(content.tobytes())


def decode_file_image(data: bytes | memoryview) -> Decoded:
    """An image file's bytes, turned the way the camera was held. Raises InputError: the sentence's end, without the path."""
    if not len(data):
        raise InputError("it is empty; copy it again")
    header = read_header(data)
    if header is None:
        kind = what_it_is(bytes(data[:512]))
        if kind.removesuffix(" image") in _READABLE:
            raise InputError(f"this {kind.split()[1]} image is cut off or damaged; copy or download it again")
        raise InputError(
            f"this is not an image or video that can be read{f' (it is {kind})' if kind else ''}; "
            "give a JPEG, PNG, WebP, BMP, TIFF, PNM or JPEG 2000 image, or a video"
        )
    depth = f" of {header.bits} bits" if header.bits > 8 else ""
    size = f"its image has {header.width_px} x {header.height_px} px{depth}"
    limits.check(header.pixels, "image_megapixels", size, 1_000_000)
    return _decode(header, data, turned=True)


def _decode(header: ImageHeader, data: bytes | memoryview, turned: bool) -> Decoded:
    if header.kind == JPEG:
        scans = count_scans(data)
        limits.check(scans, "image_scans", f"its JPEG has {scans} scans")
    if header.kind == PNG and is_overstated(data):
        raise InputError(_spoiled(header, data))
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_ANYDEPTH if header.bits > 8 else 0)
    flags |= 0 if turned else cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError):
        image = None
    if image is None:
        raise InputError(_spoiled(header, data))
    bits = 8
    if image.dtype == np.uint16:
        image, bits = eight_bits(image)
    elif image.dtype != np.uint8:
        raise InputError(f"this {header.kind} image holds {image.dtype} numbers; save it with 8 or 16 bits")
    return Decoded(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), bits)


def _spoiled(header: ImageHeader, data: bytes | memoryview) -> str:
    how = "cut off before its end" if is_cut_off(header, data) else "damaged"
    return f"this {header.kind} image is {how}; copy or download it again"


def eight_bits(image: np.ndarray) -> tuple[np.ndarray, int]:
    """uint16 of any shape -> (uint8 of it, how many bits are used): the upper 8 of those, which in an image of 16 are
    often 12. Read as 16 it would be black.
    """
    most = int(image.max(initial=0))
    bits = next(depth for depth in _DEPTHS if most < 1 << depth)
    return (image >> (bits - 8)).astype(np.uint8), bits

"""An image's kind and size as its first bytes tell them, before anything is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

PNG, JPEG = "PNG", "JPEG"
_SIZE_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_WITHOUT_LENGTH = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_MOST_SEGMENTS = 10_000
ByteOrder = Literal["big", "little"]
_TIFF_ORDERS: dict[bytes, ByteOrder] = {b"II*\0": "little", b"MM\0*": "big"}
_TIFF_FIELDS = {256: "width", 257: "height", 258: "bits", 322: "tile_width", 323: "tile_height"}
_TIFF_WORDS = {1: 1, 3: 2, 4: 4}  # bytes of a field's value, by its type


@dataclass(frozen=True)
class ImageHeader:
    """width_px, height_px as stored (an EXIF turn not applied); bits of a channel; the most pixels decoded at once."""

    kind: str
    width_px: int
    height_px: int
    bits: int = 8

    @property
    def pixels(self) -> int:
        """Those of more than 8 bits count twice or four times, as they do in memory."""
        return self.width_px * self.height_px * max(1, self.bits // 8)


def read_header(data: bytes | memoryview) -> ImageHeader | None:
    """None where `data` begins with no image that is known: PNG, JPEG, BMP, WebP, PNM, TIFF, JPEG 2000."""
    view = memoryview(data)
    for read in (_png, _jpeg, _bmp, _webp, _pnm, _tiff, _jp2):
        try:
            header = read(view)
        except (IndexError, ValueError):
            header = None
        if header is not None:
            return header if header.width_px > 0 and header.height_px > 0 else None
    return None


def is_cut_off(header: ImageHeader, data: bytes | memoryview) -> bool:
    """Whether the end that a PNG or JPEG must have is missing."""
    end = bytes(data[-64:]) if header.kind == PNG else bytes(data[-4096:])
    return {PNG: b"IEND", JPEG: b"\xff\xd9"}.get(header.kind, b"") not in end


def count_scans(data: bytes | memoryview) -> int:
    """Scans of a JPEG: each goes over the whole image, and a file of kilobytes can hold thousands."""
    return bytes(data).count(b"\xff\xda")


def is_overstated(data: bytes | memoryview) -> bool:
    """Whether a chunk of a PNG announces more bytes than there are: OpenCV takes memory for all that are announced."""
    view, at = memoryview(data), 8
    while at < len(view):
        length = int.from_bytes(view[at : at + 4], "big")
        if view[at + 4 : at + 8] == b"IEND" and not length:
            return False
        at += 12 + length
    return at > len(view)


def _number(view: memoryview, at: int, size: int, order: ByteOrder = "big") -> int:
    if at < 0 or at + size > len(view):
        raise IndexError
    return int.from_bytes(view[at : at + size], order)


def _png(view: memoryview) -> ImageHeader | None:
    if view[:8] != b"\x89PNG\r\n\x1a\n" or view[12:16] != b"IHDR":
        return None
    return ImageHeader(PNG, _number(view, 16, 4), _number(view, 20, 4), _number(view, 24, 1))


def _jpeg(view: memoryview) -> ImageHeader | None:
    """The first frame header, markers sought as libjpeg seeks them: what lies between segments is passed over."""
    if view[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    for _ in range(_MOST_SEGMENTS):
        while view[at] != 0xFF:
            at += 1
        while view[at] == 0xFF:
            at += 1
        marker, at = view[at], at + 1
        if marker in _SIZE_MARKERS:
            return ImageHeader(JPEG, _number(view, at + 5, 2), _number(view, at + 3, 2), _number(view, at + 2, 1))
        if marker in (0xD9, 0xDA):
            return None
        if marker and marker not in _WITHOUT_LENGTH:
            length = _number(view, at, 2)
            if length < 2:
                return None
            at += length
    return None


def _bmp(view: memoryview) -> ImageHeader | None:
    if view[:2] != b"BM":
        return None
    if _number(view, 14, 4, "little") == 12:
        return ImageHeader("BMP", _number(view, 18, 2, "little"), _number(view, 20, 2, "little"))
    width, height = (int.from_bytes(view[at : at + 4], "little", signed=True) for at in (18, 22))
    return ImageHeader("BMP", abs(width), abs(height))


def _webp(view: memoryview) -> ImageHeader | None:
    if view[:4] != b"RIFF" or view[8:12] != b"WEBP":
        return None
    chunk = bytes(view[12:16])
    if chunk == b"VP8X":
        return ImageHeader("WebP", _number(view, 24, 3, "little") + 1, _number(view, 27, 3, "little") + 1)
    if chunk == b"VP8L":
        packed = _number(view, 21, 4, "little")
        return ImageHeader("WebP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    return ImageHeader("WebP", _number(view, 26, 2, "little") & 0x3FFF, _number(view, 28, 2, "little") & 0x3FFF)


def _pnm(view: memoryview) -> ImageHeader | None:
    beginning = re.sub(rb"#[^\r\n]*", b" ", bytes(view[:2000]))  # a comment ends where OpenCV ends it
    found = re.match(rb"P[1-6]\s+(\d{1,9})\s+(\d{1,9})(?:\s+(\d{1,6}))?", beginning)
    if found is None:
        return None
    return ImageHeader("PNM", int(found[1]), int(found[2]), 16 if found[3] and int(found[3]) > 255 else 8)


def _tiff(view: memoryview) -> ImageHeader | None:
    """The first directory; a tile larger than its image counts as the image, since it is decoded whole."""
    order = _TIFF_ORDERS.get(bytes(view[:4]))
    if order is None:
        return None
    start = _number(view, 4, 4, order)
    fields: dict[str, int] = {}
    for index in range(min(_number(view, start, 2, order), 500)):
        at = start + 2 + 12 * index
        name, word = _TIFF_FIELDS.get(_number(view, at, 2, order)), _TIFF_WORDS.get(_number(view, at + 2, 2, order))
        if name and word:
            count = _number(view, at + 4, 4, order)
            place = at + 8 if word * count <= 4 else _number(view, at + 8, 4, order)
            fields[name] = _number(view, place, word, order)
    width, height = (max(fields.get(side, 0), fields.get(f"tile_{side}", 0)) for side in ("width", "height"))
    return ImageHeader("TIFF", width, height, fields.get("bits", 8))


def _jp2(view: memoryview) -> ImageHeader | None:
    at = _codestream(view) if view[4:8] == b"jP  " else 0
    if bytes(view[at : at + 4]) != b"\xff\x4f\xff\x51":
        return None
    right, bottom, left, top = (_number(view, at + place, 4) for place in (8, 12, 16, 20))
    return ImageHeader("JPEG 2000", right - left, bottom - top, _number(view, at + 42, 1) % 128 + 1)


def _codestream(view: memoryview) -> int:
    """Where it begins: box by box, since what only looks like one may stand in a box before it."""
    at = 0
    for _ in range(_MOST_SEGMENTS):
        length, kind = _number(view, at, 4), bytes(view[at + 4 : at + 8])
        long = length == 1
        if kind == b"jp2c":
            return at + (16 if long else 8)
        length = _number(view, at + 8, 8) if long else length
        if length < 8:
            raise ValueError("a box that ends before it begins")
        at += length
    raise ValueError("boxes without end")

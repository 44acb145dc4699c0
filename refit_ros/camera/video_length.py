"""Whether a video file has the bytes that its own container announces: one that was cut may look whole to a decoder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from refit_ros.core.plain_files import open_regular

_MOST_PARTS = 1_000_000  # boxes, elements or packets of a file that are looked at
_TAIL_BYTES = 1 << 18  # of a stream without a length of its own, which is judged by how it ends
_ASF, _ASF_PROPERTIES = bytes.fromhex("3026b2758e66cf11"), bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"pnot")
_MATROSKA_SEGMENT = 0x18538067
_PACKETS = (188, 192, 204)  # bytes of a transport stream's


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before its container does. False too where the container does not tell.

    Raises InputError where it is no regular file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        beginning = file.read(1024)
        try:
            return _ends_early(file, beginning, size)
        except (IndexError, ValueError, OverflowError):
            return False


def _ends_early(file: BinaryIO, beginning: bytes, size: int) -> bool:
    if beginning[:4] == b"RIFF":
        return _end_of_riff(file, size) > size
    if beginning[4:8] in _BOXES:
        return _end_of_boxes(file, size) > size
    if beginning[:4] == b"\x1aE\xdf\xa3":
        return _end_of_matroska(file, size) > size
    if beginning.startswith(_ASF):
        at = beginning.index(_ASF_PROPERTIES)
        live = beginning[at + 88] & 1
        return not live and int.from_bytes(beginning[at + 40 : at + 48], "little") > size
    if beginning.startswith(b"FLV"):
        return _flv_is_cut(file, size)
    if beginning.startswith(b"OggS"):
        tail = _tail(file, size)
        last = tail.rindex(b"OggS")
        return not tail[last + 5] & 4  # no page says that it is the last
    if beginning.startswith(b"\0\0\x01\xba"):
        return _program_stream_is_cut(_tail(file, size))
    for length in _PACKETS:
        first = 4 if length == 192 else 0
        if beginning[first : first + 1] == beginning[first + length : first + length + 1] == b"G":
            return size % length != 0
    return False


def _number(file: BinaryIO, at: int, count: int, order: str = "big") -> int:
    """Raises IndexError where the file has not so many bytes there."""
    file.seek(at)
    found = file.read(count)
    if len(found) < count:
        raise IndexError
    return int.from_bytes(found, "little" if order == "little" else "big")


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read(_TAIL_BYTES)


def _end_of_riff(file: BinaryIO, size: int) -> int:
    """Where the last RIFF ends: a long AVI has several. One that was never finished has 0 for its length."""
    at = end = 0
    while at + 8 <= size and _number(file, at, 4) == int.from_bytes(b"RIFF", "big"):
        length = _number(file, at + 4, 4, "little")
        if length in (0, 0xFFFFFFFF):
            return size
        end = at + 8 + length
        at = end + length % 2
    return end


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where MP4's last box ends."""
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at
        length = _number(file, at, 4) if at + 8 <= size else size + 1
        if length == 1:
            length = _number(file, at + 8, 8)
        if length < 8:  # 0: to the end of the file; else none
            return size
        at += length
    return size


def _end_of_matroska(file: BinaryIO, size: int) -> int:
    """Where the segment ends, or where its length is not told, its last part."""
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at
        name, at = _element(file, at, keep_marker=True)
        length, at = _element(file, at, keep_marker=False)
        if length < 0:  # not told: what is in it follows
            continue
        if name == _MATROSKA_SEGMENT or at + length >= size:
            return at + length
        at += length
    return size


def _element(file: BinaryIO, at: int, keep_marker: bool) -> tuple[int, int]:
    """A number of Matroska's own form, and where it ends; -1 where all its bits are set, which says that it is unknown."""
    first = _number(file, at, 1)
    if not first:
        raise ValueError("no element")
    count = 9 - first.bit_length()
    number = _number(file, at, count)
    if keep_marker:
        return number, at + count
    value = number - (1 << 7 * count)
    return (-1 if value == (1 << 7 * count) - 1 else value), at + count


def _flv_is_cut(file: BinaryIO, size: int) -> bool:
    """The last four bytes tell the length of the last tag, which tells it too."""
    length = _number(file, size - 4, 4)
    if length < 11 or length > size - 13:
        return True
    return _number(file, size - 4 - length + 1, 3) != length - 11


def _program_stream_is_cut(tail: bytes) -> bool:
    """Packet by packet from the first pack of the tail on: the last one must end where the file does."""
    at = tail.index(b"\0\0\x01\xba")
    while at + 6 <= len(tail):
        if tail[at : at + 3] != b"\0\0\x01":
            return False  # padding, or not what is thought
        kind = tail[at + 3]
        if kind == 0xB9:
            return False
        if kind != 0xBA:
            at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
        elif tail[at + 4] >> 6 == 1:
            at += 14 + (tail[at + 13] & 7)
        else:
            at += 12
    return at != len(tail)

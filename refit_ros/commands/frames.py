"""Images, folders and videos as one stream of frames; what cannot be read is told and passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refit_ros.commands.fit_outputs import is_own_overlay
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import check_regular, is_regular, natural_order, open_regular, shown, what_it_is

# What a folder's file of such a name is meant as, so that it is told when it is none. Others count by their content.
IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".mts", ".ts", ".wmv", ".flv"}
DEFAULT_VIDEO_RATE_HZ = 30.0  # where a video file does not tell its own
_LOOKED_AT_BYTES = 512
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_IMAGE_BEGINNINGS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cjP  ",
)
_VIDEO_BEGINNINGS = (
    b"\x1aE\xdf\xa3",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"FLV\x01",
    b"OggS",
    b"\x06\x0e\x2b\x34",
    b"\0\0\x01\xb0",
    b"\0\0\x01\x67",
    *(b"\0\0\0\x01" + kind for kind in (b"\x67", b"\x27", b"\x09", b"\x40", b"\x46")),
    b"YUV4MPEG2 ",
    b"nut/multimedia container",
    b"DKIF",
)
_STREAMS_OF_JPEG = (".mjpeg", ".mjpg")  # pictures one after the other, which begin as one does
_FRAME_NUMBER = re.compile(r"_[0-9]{6,}$")  # of a video's frame, after the video's name
Say = Callable[[str], None]


@dataclass(frozen=True)
class Frame:
    """One image to be fitted."""

    name: str  # of the files that come out, without ending; unique in a run
    image: np.ndarray  # (H, W, 3) uint8 RGB
    stamp_s: float  # time in its sequence
    starts_sequence: bool  # nothing before it helps to find the people in it


@dataclass(frozen=True)
class Source:
    """A file to read, with the name of what comes out of it."""

    path: Path
    name: str
    starts_sequence: bool
    is_video: bool = False


def list_sources(paths: Sequence[str | Path], folder_is_sequence: bool, complain: Say) -> list[Source]:
    """All files in the order given, a folder's in the natural order of their names (2 before 10).

    Each file's first bytes are looked at; `complain` gets a sentence for each path that is of no use.
    """
    found: list[tuple[Path, bool, bool]] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(filter(_is_meant, path.iterdir()), key=natural_order)
            if not inside:
                complain(f"{shown(path)}: no image or video in this folder")
            usable = [(file, kind) for file in inside if (kind := _kind_or_complaint(file, complain))]
            found += [
                (file, index == 0 or not folder_is_sequence, kind == "video") for index, (file, kind) in enumerate(usable)
            ]
        elif kind := _kind_or_complaint(path, complain):
            found.append((path, True, kind == "video"))
    return _with_unique_names(found)


def kind_of(beginning: bytes) -> str:
    """ "image" or "video" by a file's first bytes, "" for anything else."""
    if beginning.startswith(_IMAGE_BEGINNINGS) or re.match(rb"P[1-6]\s", beginning):
        return "image"
    if beginning[:4] == b"RIFF":
        return {b"WEBP": "image", b"AVI ": "video"}.get(beginning[8:12], "")
    if beginning[4:8] == b"ftyp":
        return "" if beginning[8:12] in _STILL_BRANDS else "video"
    packets = ((0, 188), (4, 196))  # where the first two begin in a transport stream, plain or with time codes
    stream = any(beginning[first : first + 1] == beginning[second : second + 1] == b"G" for first, second in packets)
    if beginning.startswith(_VIDEO_BEGINNINGS) or beginning[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip") or stream:
        return "video"
    return ""


def read_frames(sources: Sequence[Source], every: int, complain: Say, note: Say = lambda _: None) -> Iterator[Frame]:
    """Every frame of every source; of videos one in `every`. `note` gets what should be known and is no fault."""
    from refit_ros.commands.video import read_video

    for index, source in enumerate(sources):
        if source.is_video:
            yield from read_video(source, every, complain)
            continue
        try:
            image = _read_image(source.path, note)
        except InputError as error:
            complain(f"{shown(source.path)}: {error}")
        else:
            yield Frame(source.name, image, index / DEFAULT_VIDEO_RATE_HZ, source.starts_sequence)


def _is_meant(path: Path) -> bool:
    """Whether a folder's entry is meant to be fitted: by its name, or by what it holds."""
    if path.name.startswith(".") or path.is_dir() or is_own_overlay(path):
        return False
    if path.suffix.lower() in IMAGE_ENDINGS | VIDEOS:
        return True
    beginning = _beginning(path) if is_regular(path) else b""
    return bool(kind_of(beginning)) or _what(beginning).endswith(" image")  # a telephone's HEIC is told, not passed over


def _what(beginning: bytes) -> str:
    """What a file is that is not read, by its first bytes; "" where they tell nothing."""
    if beginning[4:8] == b"ftyp" and beginning[8:12] in _STILL_BRANDS:
        return "an HEIC or AVIF image"
    return what_it_is(beginning)


def _beginning(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(_LOOKED_AT_BYTES)
    except (InputError, OSError):
        return b""


def _kind_or_complaint(path: Path, complain: Say) -> str:
    try:
        if not path.exists():
            raise InputError("there is no such file")
        if check_regular(path) == 0:
            raise InputError("the file is empty; copy it again")
        with open_regular(path) as file:
            beginning = file.read(_LOOKED_AT_BYTES)
    except (InputError, OSError, ValueError) as error:
        complain(f"{shown(path)}: {str(error).removeprefix(f'{shown(path)} ')}")
        return ""
    kind = kind_of(beginning)
    if kind == "image" and path.suffix.lower() in _STREAMS_OF_JPEG:
        return "video"
    if not kind:
        what = _what(beginning)
        complain(
            f"{shown(path)}: this is not an image or video that can be read{f' (it is {what})' if what else ''}; "
            "save it as JPEG, PNG or MP4"
        )
    return kind


def _with_unique_names(found: list[tuple[Path, bool, bool]]) -> list[Source]:
    """No two files that come out may be called alike; an image not as a frame of a video will be either: walk_000007."""
    names, taken, videos = [""] * len(found), set(), set()
    for index in sorted(range(len(found)), key=lambda index: not found[index][2]):  # videos first
        path, _, is_video = found[index]
        name, count = path.stem, 1
        while name in taken or (not is_video and _FRAME_NUMBER.search(name) and _FRAME_NUMBER.sub("", name) in videos):
            count += 1
            name = f"{path.stem}_{count}"
        names[index] = name
        taken.add(name)
        if is_video:
            videos.add(name)
    return [Source(path, name, starts, is_video) for name, (path, starts, is_video) in zip(names, found)]


def _read_image(path: Path, note: Say) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned the way the camera was held. Raises InputError: the end of a sentence about the file."""
    from refit_ros.camera.image_bytes import read_image_file

    decoded = read_image_file(path)
    if 8 < decoded.bits < 16:
        note(f"{shown(path)}: its 16 bits hold {decoded.bits}, and are read so")
    return decoded.image

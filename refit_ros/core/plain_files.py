"""Opening what a stranger may have put there: only regular files, and a word on what a file is when it is another."""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from refit_ros.core import limits
from refit_ros.core.errors import InputError

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer, not the file: run `git lfs pull` where it came from"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"\x1f\x8b", "packed with gzip: unpack it first"),
    (b"BZh", "packed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "packed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3", "an SQLite database (a ROS 2 bag in .db3?)"),
    (b"\x89MCAP0\r\n", "an MCAP recording"),
    (b"#ROSBAG", "a ROS 1 bag"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a single NumPy array (.npy)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"OggS", "an Ogg file"),
)
_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error", b"<!--", b"<body", b"<title")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def natural_order(path: Path) -> list:
    """A key by which 2.jpg comes before 10.jpg, and img_1.jpg before IMG_2.jpg."""
    parts = re.split(r"([0-9]+)", path.name.lower())
    meant = [(len(part.lstrip("0")), part.lstrip("0")) if index % 2 else part for index, part in enumerate(parts)]
    return [meant, path.name]


def open_regular(path: str | Path) -> BinaryIO:
    """The file, open for reading bytes. Raises InputError where it is absent, not readable, a folder, a pipe or a device.

    Opened without waiting and looked at once open, so that nothing can be exchanged in between and a pipe cannot hang.
    """
    check_regular(path)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)} cannot be opened ({_reason(error)}).") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{shown(path)} is not a regular file; give a file.")
    return os.fdopen(handle, "rb")


def check_regular(path: str | Path) -> int:
    """The size in bytes of a regular file. Raises InputError, naming what it is, for everything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)} cannot be opened ({_reason(error)}).") from error
    if name := _not_a_file(found.st_mode):
        raise InputError(f"{shown(path)} is {name}, not a file; give a regular file.")
    return found.st_size


def check_replaceable(path: str | Path) -> None:
    """Raises InputError where something other than a regular file has this name: it would be gone once a file gets it."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)} cannot be written ({_reason(error)}).") from error
    if name := _not_a_file(found.st_mode):
        raise InputError(f"{shown(path)} is {name}, not a file, and is left as it is; give the name of a file to write.")


def check_writable(path: str | Path) -> None:
    """As `check_replaceable`, and where nothing can be written beside it. Its folder is made."""
    check_replaceable(path)
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be written ({_reason(error)}).") from error


def read_text(path: str | Path, limit: str = "text_file_megabytes", unit: int = 2**20, errors: str = "strict") -> str:
    """A regular file's UTF-8 text, its size looked at first. Raises InputError with a sentence."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        limits.check(size, limit, f"{shown(path)} has {size} bytes", unit)
        try:
            return file.read(size).decode("utf-8-sig", errors)
        except UnicodeDecodeError as error:
            raise InputError(f"{shown(path)} is no text in UTF-8 ({error.reason} at byte {error.start}).") from None


def is_regular(path: str | Path) -> bool:
    """Whether a file with bytes in it lies there (not a folder, pipe, socket or device)."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def what_it_is(beginning: bytes) -> str:
    """What a file is by its first bytes (some 512), as the end of the sentence "it is ..."; "" where they tell nothing."""
    if not beginning:
        return "empty: it was not fully downloaded or copied"
    if not any(beginning[:512]):
        return "only zeros at its beginning: it was not fully downloaded or copied"
    for first, name in _BEGINNINGS:
        if beginning.startswith(first):
            return name
    start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith(_PAGE):
        return "a web page, not the file: log in where it is given out and download it there"
    if beginning[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if beginning[4:8] == b"ftyp":
        return "a video or an image of the MP4 family"
    if beginning[:4] == b"RIFF":
        return {b"WEBP": "a WebP image", b"AVI ": "an AVI video"}.get(beginning[8:12], "a RIFF file")
    if beginning[:1] == b"\x80" and beginning[1:2] <= b"\x05":
        return "a Python pickle"
    if beginning[8:10] in (b'{"', b"{ ") and beginning[4:8] == b"\0\0\0\0":
        return "a safetensors file"
    if re.match(rb"[{\[]\s*[\"{\[\]}0-9]", start):
        return "JSON text, not the file: perhaps what a server answered instead of it"
    if beginning.startswith(_UTF_16):
        return "text in UTF-16"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in beginning[:64]):
        return "text"
    return ""


def shown(path: object) -> str:
    """A path for a sentence: what is not UTF-8 or not printable in it is escaped, so that it can be printed anywhere."""
    text = os.fsdecode(path) if isinstance(path, (bytes, os.PathLike)) else str(path)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that gets its name only when it is whole; nothing is left behind where it does not."""
    with whole_path(path) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def whole_path(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """As `whole_file`, for those who write under a name: that of an empty file beside `path`, which ends in `suffix`.

    Raises InputError where `path` is something other than a regular file.
    """
    check_replaceable(path)
    temporary = path.parent / f".refit_{secrets.token_hex(8)}{suffix}"
    # Not by tempfile, whose files are for their owner alone: made like this they get the mode that the user's umask gives.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    os.close(handle)
    try:
        yield temporary
        check_replaceable(path)  # what came there meanwhile
        if stat.S_IMODE(os.stat(temporary).st_mode) != mode:  # safetensors puts another one there, for its owner alone
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _not_a_file(mode: int) -> str:
    """What a thing of this mode is; "" for a regular file."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "its name is none").lower()

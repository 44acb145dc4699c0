"""Arrays put together from checked plain values: numbers only, and never anything with pointers in it.

NumPy's own way from a file to an array goes through dtypes that a file can describe; one with an object in it makes
NumPy follow the file's bytes as addresses. Here a dtype is a letter of b, i, u, f and a size, and nothing else.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import BinaryIO

import numpy as np

from refit_ros.core import limits
from refit_ros.core.errors import InputError

_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
_MOST_AXES = 8
_LONGEST_TEXT = 1_000_000  # letters
_NPY_HEADER = re.compile(
    r"\{'descr': '([<>|=]?)([a-zA-Z])(\d{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(([0-9L, ]{0,200})\),? *\} *\n?"
)
_NPY_LONGEST_HEADER = 10_000  # bytes

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True)
class NumberType:
    """A number in a file. kind: b, i, u or f; size in bytes; order: < or >."""

    kind: str
    size: int
    order: str = "<"

    def __post_init__(self) -> None:
        if self.size not in _SIZES.get(self.kind, ()):
            raise ValueError("it is not an array of numbers")

    def to_dtype(self) -> np.dtype:
        return np.dtype(f"{self.order}{self.kind}{self.size}")


def parse_type(text: object) -> NumberType:
    """ "<f8", "f8", "b1" -> NumberType. Raises ValueError for everything that is not a plain number."""
    found = re.fullmatch(r"([<>|=]?)([biuf])(\d{1,2})", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("it is not an array of numbers")
    return NumberType(found[2], int(found[3]), ">" if found[1] == ">" else "<")


def make_array(shape: object, kind: NumberType, fortran: bool, raw: Bytes) -> np.ndarray:
    """Over the bytes `raw`, read-only. Raises ValueError where they are not exactly the array's."""
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("its shape is none")
    if prod(shape) * kind.size != len(raw):
        raise ValueError(f"its shape {shape} does not fit its {len(raw)} bytes")
    limits.check(prod(shape), "body_numbers", f"it holds {prod(shape)} numbers")
    if kind.kind == "b":  # a byte of 2 as a bool means nothing
        values = np.frombuffer(raw, np.uint8) != 0
    else:
        values = np.frombuffer(raw, kind.to_dtype())
    return values.reshape(shape, order="F" if fortran else "C")


class BoundedOpening:
    """A file that gives zipfile its directory, but not one that would take gigabytes of memory as objects."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file, self.most_bytes = file, most_bytes
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        if not self.most_bytes:
            return self._file.read(count)
        content = b"" if count > self.most_bytes else self._file.read(count if count >= 0 else self.most_bytes + 1)
        if max(count, len(content)) > self.most_bytes:
            raise InputError("its zip directory is larger than any real file's; it is damaged or made to fill the memory.")
        return content


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """A zip archive whose directory was measured before it was read. Raises InputError."""
    bounded = BoundedOpening(file, limits.limit("zip_directory_kilobytes") * 1024)
    try:
        archive = zipfile.ZipFile(bounded)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("it is cut off or damaged; download it again.") from error
    bounded.most_bytes = 0
    return archive


def read_entry(archive: zipfile.ZipFile, name: str, most_bytes: int, stored_only: bool = False) -> bytearray | bytes:
    """The entry's bytes, its size looked at before. Raises KeyError without it, ValueError where it cannot be used."""
    entry = archive.getinfo(name)
    allowed = (zipfile.ZIP_STORED,) if stored_only else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if entry.compress_type not in allowed or entry.flag_bits & 1:
        raise ValueError("it is packed or encrypted in a way that is not used for such files")
    if entry.file_size > most_bytes:
        raise ValueError(f"it would unpack to {entry.file_size} bytes, {most_bytes} are the most")
    try:
        with archive.open(entry) as file:
            content = file.read(entry.file_size)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError, zlib.error) as error:
        raise ValueError("it is damaged") from error
    if len(content) != entry.file_size:
        raise ValueError("it is cut off")
    return content


def read_npz(file: BinaryIO, keys: Iterable[str]) -> dict[str, np.ndarray | ValueError]:
    """Those of `keys` that the archive holds; the others are not looked at. What cannot be used is the ValueError why."""
    values: dict[str, np.ndarray | ValueError] = {}
    most_bytes = limits.limit("body_numbers") * 8
    with open_zip(file) as archive:
        there = set(archive.namelist())
        for key in keys:
            if f"{key}.npy" not in there:
                continue
            try:
                values[key] = _npy(read_entry(archive, f"{key}.npy", most_bytes + _NPY_LONGEST_HEADER + 16))
            except ValueError as error:
                values[key] = error
    return values


def _npy(content: bytes | bytearray) -> np.ndarray:
    """The array of a .npy file's bytes: numbers, or text. Raises ValueError."""
    wide = content[6:7] in (b"\2", b"\3")
    begin = 12 if wide else 10
    length = int.from_bytes(content[8:begin], "little")
    if content[:6] != b"\x93NUMPY" or length > _NPY_LONGEST_HEADER:
        raise ValueError("it is damaged or no array")
    header = _NPY_HEADER.fullmatch(content[begin : begin + length].decode("latin1"))
    if header is None:
        raise ValueError("it is not an array of numbers (pickled objects, or fields)")
    order, kind, size, fortran, axes = header.groups()
    shape = tuple(int(part.strip().rstrip("L")) for part in axes.split(",") if part.strip())
    raw = memoryview(content)[begin + length :]
    if kind == "U":
        return _texts(shape, int(size), order, raw)
    return make_array(shape, NumberType(kind, int(size), ">" if order == ">" else "<"), fortran == "True", raw)


def _texts(shape: tuple[int, ...], letters: int, order: str, raw: memoryview) -> np.ndarray:
    if len(raw) > 4 * _LONGEST_TEXT or prod(shape) * letters * 4 != len(raw) or not letters:
        raise ValueError("its text is damaged")
    return np.frombuffer(raw, f"{'>' if order == '>' else '<'}U{letters}").reshape(shape)

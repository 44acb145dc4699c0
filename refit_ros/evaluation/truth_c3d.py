"""Joints as C3D, motion capture's binary format, which the library `c3d` reads: Intel's, DEC's and MIPS's numbers."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import open_regular, shown, what_it_is
from refit_ros.evaluation.truth import (
    MOST_FRAMES,
    UNITS_M,
    WORLD_OF_Y_UP,
    WORLD_OF_Z_UP,
    Truth,
    by_frame,
    frame_numbers,
    limb_columns,
)

MAGIC = 0x50  # the second byte of every C3D
_AXES = {"": WORLD_OF_Z_UP, "+Z": WORLD_OF_Z_UP, "Z": WORLD_OF_Z_UP, "+Y": WORLD_OF_Y_UP, "Y": WORLD_OF_Y_UP}
# What the library raises where bytes are not what they should be; its own checks are assertions.
_DAMAGE = (
    AssertionError, ArithmeticError, AttributeError, LookupError, MemoryError, NameError, OSError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


def read_c3d(path: Path) -> Truth:
    """The limbs of the file's points, in the calibration's world.

    POINT:Y_SCREEN says which axis points up: z (the calibration's world as it is; without a word too) or y (as in a TRC).
    A point is a gap where its residual is negative, where it is no number, and where all of it is zero: Pose2Sim's gaps.

    Raises InputError with a sentence, ModuleNotFoundError where `c3d` is not installed.
    """
    import c3d

    name = shown(path)
    with open_regular(path) as file:
        _check_kind(file, name)
        with _damage_told(name):
            reader = c3d.Reader(file)
            # Analog channels are of no use here, and where their scales are not as the library wants them, no hindrance.
            reader.get_analog_transform = lambda: (1.0, 0.0)
            labels = _labels(reader)[: int(reader.point_used)]
            units, up = (_text(reader, f"POINT:{field}") for field in ("UNITS", "Y_SCREEN"))
            first, last = _first_frame(reader), int(reader.last_frame)
            rate_hz = float(reader.point_rate)
        if units.lower() not in UNITS_M:
            raise InputError(f"{name}: its unit (POINT:UNITS) is {units!r}, not m, cm or mm; write it anew in one of them")
        if up.upper() not in _AXES:
            raise InputError(f"{name}: its axis {up!r} points up (POINT:Y_SCREEN); write it anew with +Z or +Y up")
        if not 0 <= first <= last < MOST_FRAMES:
            raise InputError(f"{name}: its frames have the numbers {first} to {last}; write it anew, from frame 1 on")
        own = limb_columns(labels, name)
        columns, told = list(own.values()), last - first + 1
        with _damage_told(name):
            rows = [points[columns, :4] for _, points, _ in islice(reader.read_frames(copy=False), told)]
    if len(rows) < told:
        raise InputError(f"{name} tells {told} frames and has {len(rows)}: it was not fully written or copied; copy it anew")
    values = np.array(rows, dtype=float)
    found = values[..., :3]
    found[(values[..., 3] < 0) | (found == 0).all(-1)] = np.nan
    found = found[..., _AXES[up.upper()]] * UNITS_M[units.lower()]
    points = by_frame(found, frame_numbers(np.arange(first, last + 1)))
    return Truth(tuple(own), points, rate_hz if np.isfinite(rate_hz) else 0.0, str(path), "POINT:RATE")


def _check_kind(file: BinaryIO, name: str) -> None:
    size = os.fstat(file.fileno()).st_size
    limits.check(size, "c3d_file_megabytes", f"{name} has {size} bytes", limits.MEGABYTE)
    beginning = file.read(512)
    kind = what_it_is(beginning)  # a PNG's second byte is that of a C3D
    if kind or len(beginning) < 512 or beginning[1] != MAGIC:
        raise InputError(f"{name} is no C3D: it is {kind or 'something else, or cut off at its beginning'}")


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """What the library warns of is either told here or of no matter, such as that a file has no analog channels."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if isinstance(error, NameError):  # it goes on without a variable where the byte is none of the three that it knows
            reason = "its numbers are of no known processor"
        raise InputError(f"{name} is damaged, or no C3D as others write it ({reason}); export it anew") from None


def _labels(reader) -> list[str]:
    """All points' names: a parameter holds 255, and the others are in LABELS2, LABELS3, ..."""
    found: list[str] = []
    for number in count(1):
        some = _texts(reader, f"POINT:LABELS{number if number > 1 else ''}")
        if not some:
            return found
        found += some


def _texts(reader, name: str) -> list[str]:
    """A parameter's words; none where it is absent. Raises ValueError where its bytes are not as many as it says."""
    parameter = reader.get(name)
    if parameter is None:
        return []
    # The library would go through all that the sizes promise, and seven sizes of 255 promise more than a memory holds.
    if len(parameter.dimensions) > 2 or len(parameter.bytes) < parameter.total_bytes:
        raise ValueError(f"{name} is cut off")
    return [str(each).strip(" \0\t\r\n") for each in parameter.string_array]


def _text(reader, name: str) -> str:
    return next(iter(_texts(reader, name)), "")


def _first_frame(reader) -> int:
    """The number of the first frame. The library counts 65535 instead of 65536 for the upper half of a long one."""
    field = reader.get("TRIAL:ACTUAL_START_FIELD")
    if field is None:
        return int(reader.first_frame)
    low, high = field.uint16_array.flatten()[:2]
    return int(low) + 65536 * int(high)

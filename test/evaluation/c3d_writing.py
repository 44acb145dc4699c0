"""C3D files for tests, written by the library that reads them, and bytes of them changed."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import c3d
import numpy as np


def write_c3d(
    path: Path,
    names: list[str],
    points: np.ndarray,
    rate_hz: float = 30.0,
    units: str = "mm",
    axes: tuple[str, str] | None = ("+Z", "+Y"),
    whole_numbers: bool = False,
    first: int = 1,
    analog: np.ndarray | None = None,
) -> Path:
    """points (T, n, 3) in the file's axes and units, gaps NaN, which become a residual of -1.

    whole_numbers: as integers of 16 bits, as Pose2Sim writes. analog (channels, samples a frame): of each frame.
    """
    analog = np.zeros((0, 0)) if analog is None else analog
    writer = c3d.Writer(
        point_rate=rate_hz,
        analog_rate=rate_hz * analog.shape[1],
        point_scale=1.0 if whole_numbers else -1.0,
        point_units=units,
    )
    writer.set_point_labels(names[:255])
    for number, begin in enumerate(range(255, len(names), 255), 2):
        label, width = writer.pack_labels(names[begin : begin + 255])
        writer.point_group.add_str(f"LABELS{number}", "", label, width, len(names[begin : begin + 255]))
    writer.point_group.add_str("DESCRIPTIONS", "", " ", 1, 1)
    if axes:
        writer.set_screen_axis(*axes)
    for row in points:
        lost = np.isnan(row).any(1)
        writer.add_frames([(np.c_[np.nan_to_num(row), -1.0 * lost, np.zeros(len(row))], analog)])
    writer.set_start_frame(first)
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no analog channels, or that they have no names
        writer.write(file)
    return path


def data_at(content: bytes) -> int:
    """Where the points begin."""
    return (struct.unpack_from("<H", content, 16)[0] - 1) * 512

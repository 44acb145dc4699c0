"""Joints as TRC (Track Row Column), as Pose2Sim writes it: text, y up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import read_text
from refit_ros.evaluation.truth import UNITS_M, WORLD_OF_Y_UP, Truth, by_frame, frame_numbers, limb_columns


def read_trc(path: Path) -> Truth:
    """The limbs of the file's markers. Raises InputError with a sentence."""
    rows = [line.split("\t") for line in read_text(path, errors="replace").splitlines()]
    try:
        names = [name for name in rows[3][2:] if name]
        unit_m = UNITS_M[rows[2][4].strip().lower()]
        rate_hz = _rate_hz(rows[2][0])
        rows = [row for row in rows[5:] if row[0].strip()]
        values = [(row[2:] + [""] * 3 * len(names))[: 3 * len(names)] for row in rows]  # some tools leave the last ones out
        found = np.array([[float(value) if value.strip() else np.nan for value in row] for row in values])
        found = found.reshape(len(rows), len(names), 3)[..., WORLD_OF_Y_UP] * unit_m
        frames = frame_numbers([float(row[0]) for row in rows])
    except (IndexError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no TRC with markers, units and rows of numbers ({error})") from None
    if not len(found):
        raise InputError(f"{path} is no TRC with markers, units and rows of numbers (it has no rows)")
    own = limb_columns(names, path)
    points = by_frame(found[:, list(own.values())], frames)
    return Truth(tuple(own), points, rate_hz, str(path), "DataRate")


def _rate_hz(text: str) -> float:
    try:
        rate_hz = float(text)
    except ValueError:
        return 0.0
    return rate_hz if np.isfinite(rate_hz) else 0.0

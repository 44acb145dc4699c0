"""Sightings from the folder that `python -m refit_ros fit` wrote: one .npz a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.core.plain_arrays import read_npz
from refit_ros.core.plain_files import natural_order, open_regular, shown, what_it_is
from refit_ros.motion.types import Sighting

SHAPES = {
    "betas": (10,),
    "global_orient": (3,),
    "body_pose": (69,),
    "transl": (3,),
    "joints": (24, 3),
    "id": (),
    "confidence": (),
}
OF_THE_FRAME = ("time_s", "starts_sequence", "body_model")


def read_fit(folder: Path, rate_hz: float | None = None) -> Iterator[Sighting]:
    """Everybody in every frame, in the frames' order.

    rate_hz: of the frames where the files do not tell their times (those of versions that did not write them).
    Raises InputError with a sentence for a folder without frames, a file that is none, and times nobody told.
    """
    files = sorted(folder.glob("*.npz"), key=natural_order)
    if not files:
        raise InputError(f"{shown(folder)} holds no .npz: give the folder that `python -m refit_ros fit` wrote, or a bag.")
    sequence, last_s = -1, 0.0
    for index, file in enumerate(files):
        values = _read(file)
        if "time_s" in values:
            time_s, starts = float(values["time_s"]), bool(values.get("starts_sequence", False))
        elif rate_hz:
            time_s, starts = index / rate_hz, False
        else:
            raise InputError(f"{shown(file)} does not tell when it was taken: give the frames' rate by --fps.")
        sequence += starts or sequence < 0 or time_s <= last_s  # the first frame of a video may have been none
        last_s = time_s
        for person in range(len(values["id"])):
            yield Sighting(
                time_s,
                int(values["id"][person]),
                float(values["confidence"][person]),
                *(np.asarray(values[key][person], float) for key in list(SHAPES)[:5]),
                frame_id="camera",
                optical=True,
                body_model=str(values.get("body_model", "")),
                sequence=sequence,
            )


def _read(file: Path) -> dict[str, np.ndarray]:
    with open_regular(file) as opened:
        kind = what_it_is(opened.read(512))
        opened.seek(0)
        try:
            values = read_npz(opened, [*SHAPES, *OF_THE_FRAME])
        except InputError as error:
            why = f"it is {kind}" if kind and kind != "a zip archive" else str(error).rstrip(".")
            raise InputError(f"{shown(file)} is no frame that `python -m refit_ros fit` wrote: {why}.") from error
    for key, shape in [*SHAPES.items(), ("time_s", None), ("starts_sequence", None)]:
        if shape is None and key not in values:
            continue
        value = values.get(key)
        if not _is_numbers(value, shape):
            raise InputError(f"{shown(file)} is no frame that `python -m refit_ros fit` wrote: its '{key}' is none.")
    if len({len(values[key]) for key in SHAPES}) != 1:
        raise InputError(f"{shown(file)} is damaged: its arrays tell different numbers of people.")
    return {key: value for key, value in values.items() if isinstance(value, np.ndarray)}


def _is_numbers(value: object, shape: tuple[int, ...] | None) -> bool:
    """Whether it holds finite numbers, any number of `shape`; None: it is a single one."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or not np.isfinite(value).all():
        return False
    return value.shape == () if shape is None else value.ndim > 0 and value.shape[1:] == shape

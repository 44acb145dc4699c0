"""A motion into the files that are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from refit_ros.core.body_files import EMBEDDED_BODIES, BodyArrays, read_body
from refit_ros.motion.amass import write_amass
from refit_ros.motion.bvh import write_bvh
from refit_ros.motion.glb import check_body, write_glb
from refit_ros.motion.trc import write_trc
from refit_ros.motion.types import Motion

_OURS = re.compile(r"(sequence_[0-9]+_)?person_[0-9]+(_part_[0-9]+)?[.](npz|bvh|glb|trc)")


def write_motion(motion: Motion, folder: Path, formats: Iterable[str], body_path: str | None = None) -> list[Path]:
    """The files `<name>.<format>` in `folder`; formats: "npz", "bvh", "glb", "trc".

    body_path: of the body that the people were fitted with, for "glb"; None: the one of this package that they name.
    Raises InputError with a sentence where that is another one.
    """
    written = []
    for ending in formats:
        path = folder / f"{motion.name}.{ending}"
        if ending == "glb":
            write_glb(motion, path, body_of(motion, body_path))
        else:
            {"npz": write_amass, "bvh": write_bvh, "trc": write_trc}[ending](motion, path)
        written.append(path)
    return written


def left_behind(folder: Path, written: Iterable[Path]) -> list[Path]:
    """Motions in a folder that were not written just now, but by an earlier run: who reads the folder takes them for one."""
    written = {path.name for path in written}
    return [each for each in sorted(folder.iterdir()) if _OURS.fullmatch(each.name) and each.name not in written]


def body_of(motion: Motion, body_path: str | None) -> BodyArrays:
    """The one that "glb" is made with. Raises InputError as `write_motion`."""
    embedded = motion.body_model if motion.body_model in EMBEDDED_BODIES else None
    body = _body(body_path or embedded)
    check_body(motion, body)
    return body


@lru_cache(maxsize=2)
def _body(path: str | None) -> BodyArrays:
    return read_body(path)

"""A motion into the files that are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from refit_ros.core.body_files import EMBEDDED_BODIES, BodyArrays, read_body
from refit_ros.motion.amass import write_amass
from refit_ros.motion.bvh import write_bvh
from refit_ros.motion.glb import check_body, write_glb
from refit_ros.motion.trc import write_trc
from refit_ros.motion.types import Motion


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


def body_of(motion: Motion, body_path: str | None) -> BodyArrays:
    """The one that "glb" is made with. Raises InputError as `write_motion`."""
    embedded = motion.body_model if motion.body_model in EMBEDDED_BODIES else None
    body = _body(body_path or embedded)
    check_body(motion, body)
    return body


@lru_cache(maxsize=2)
def _body(path: str | None) -> BodyArrays:
    return read_body(path)

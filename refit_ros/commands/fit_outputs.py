"""The files that `fit` writes: their names, and what they must not be written over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown

if TYPE_CHECKING:
    from refit_ros.commands.frames import Source

PEOPLE, OVERLAY = ".npz", "_overlay.jpg"
_FRAME = r"_[0-9]{6,}"  # of a video's frame, after the video's name


def is_own_overlay(path: Path) -> bool:
    """Whether an earlier `fit` has drawn it: its people lie beside it, and it has not itself been taken for an image."""
    if not path.name.endswith(OVERLAY):
        return False
    people = path.with_name(path.name.removesuffix(OVERLAY) + PEOPLE)
    return people.is_file() and not path.with_suffix(PEOPLE).is_file()


def check_nothing_is_lost(sources: Sequence[Source], given: Iterable[str | Path], output: Path, overlays: bool) -> None:
    """Raises InputError where a file that would be written is one of those to be read, or an image of somebody else's."""
    given = [path for path in map(Path, given) if not path.is_dir()]
    kept = {place for path in [*given, *(source.path for source in sources)] for place in _places(path)}
    folder = output.resolve()
    for file in _there_already(sources, output):
        is_overlay = file.name.endswith(OVERLAY)
        if is_overlay and not overlays:
            continue
        if folder / file.name in kept:
            what = "one of the images to be fitted"
        elif is_overlay and not is_own_overlay(file):
            what = "no overlay of an earlier run"
        else:
            continue
        instead = " or --no-overlay" if is_overlay else ""
        raise InputError(f"{shown(file)} would be written over, and is {what}: give another --output{instead}")


def _there_already(sources: Sequence[Source], output: Path) -> Iterator[Path]:
    """What lies in the output folder under names that this run may write."""
    names = [re.escape(source.name) + (_FRAME if source.is_video else "") for source in sources]
    ours = re.compile(f"({'|'.join(names)})({re.escape(PEOPLE)}|{re.escape(OVERLAY)})")
    return (file for file in sorted(output.iterdir()) if ours.fullmatch(file.name))


def _places(path: Path) -> tuple[Path, Path]:
    """Where a file lies, and where what it links to does."""
    return path.parent.resolve() / path.name, path.resolve()

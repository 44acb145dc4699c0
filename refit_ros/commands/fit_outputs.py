"""The files that `fit` writes: their names, and what they must not be written over."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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


def cannot_write(output: Path, error: OSError, frames_done: int) -> InputError:
    """What ends a run that could not write."""
    why = (error.strerror or str(error)).lower()
    return InputError(
        f"{shown(output)} cannot be written into ({why}): make room or give another --output; {frames_done} frames are there"
    )


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


def check_no_other_frames(sources: Sequence[Source], output: Path, every: int) -> None:
    """Raises InputError where frames lie there under the name of a video that will not be written again: `motion` would take
    those of both for one video, and find people who are not in it.
    """
    for source in sources:
        frames = frames_of(source.name, output) if source.is_video else {}
        told = _told(source.path) if frames else 0
        left = [file for number, file in frames.items() if number % every or (told and number >= told)]
        if left:
            raise InputError(
                f"{shown(output)} holds {len(left)} frames of an earlier run, such as {shown(left[0].name)}, that would "
                f"stay among those of {shown(source.path)}: remove {shown(source.name)}_*, or give another --output"
            )


def say_what_stayed(sources: Sequence[Source], output: Path, written: Collection[str], say: Callable[[str], None]) -> None:
    """After the run, a sentence for each video of which frames of an earlier run are there still: those that could be read
    then and not now, or that the video did not tell.
    """
    for source in sources:
        frames = frames_of(source.name, output).values() if source.is_video else []
        left = [file for file in frames if file.stem not in written]
        if left:
            say(f"{shown(left[0])} is of an earlier run, as are {len(left) - 1} more of {shown(source.name)}_*: remove them")


def frames_of(video: str, output: Path) -> dict[int, Path]:
    """The people of a video's frames that lie in the output folder, by the frames' numbers."""
    files = sorted(output.iterdir())
    found = [(file, re.fullmatch(re.escape(video) + _FRAME + re.escape(PEOPLE), file.name)) for file in files]
    return {int(file.stem.rpartition("_")[2]): file for file, is_one in found if is_one}


def _told(video: Path) -> int:
    """How many frames a video says that it has; 0 where it does not tell or cannot be opened, which is told elsewhere."""
    from refit_ros.camera.videos import open_video

    try:
        with open_video(video, 1.0) as opened:
            return opened.told
    except InputError:
        return 0


def _there_already(sources: Sequence[Source], output: Path) -> Iterator[Path]:
    """What lies in the output folder under names that this run may write."""
    names = [re.escape(source.name) + (_FRAME if source.is_video else "") for source in sources]
    ours = re.compile(f"({'|'.join(names)})({re.escape(PEOPLE)}|{re.escape(OVERLAY)})")
    return (file for file in sorted(output.iterdir()) if ours.fullmatch(file.name))


def _places(path: Path) -> tuple[Path, Path]:
    """Where a file lies, and where what it links to does."""
    return path.parent.resolve() / path.name, path.resolve()

"""A video's frames for `fit`: a lost frame keeps its number, and what is missing is told."""

from __future__ import annotations

from collections.abc import Iterator

from refit_ros.commands.frames import DEFAULT_VIDEO_RATE_HZ, Frame, Say, Source
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown


def read_video(source: Source, every: int, complain: Say) -> Iterator[Frame]:
    """One frame in `every`, by the frames' own numbers. `complain` gets a sentence where frames are missing."""
    try:
        yield from _frames(source, every)
    except InputError as error:
        complain(str(error))


def _frames(source: Source, every: int) -> Iterator[Frame]:
    import cv2

    from refit_ros.camera.videos import open_video

    with open_video(source.path, DEFAULT_VIDEO_RATE_HZ) as video:
        begun = False
        for number, image in video.numbered():
            if number % every == 0:
                yield Frame(
                    f"{source.name}_{number:06d}",
                    cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                    number / video.rate_hz,
                    starts_sequence=not begun,
                )
            begun = True
        if not begun:
            raise InputError(f"{shown(source.path)}: no frame of this video can be read; copy it again")
        if video.missing:
            raise InputError(f"{shown(source.path)}: {video.missing}")

"""A video's frames, whole or damaged: a lost frame keeps its number, and what is missing is told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from refit_ros.commands.frames import DEFAULT_VIDEO_RATE_HZ, Frame, Say, Source
from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown

if TYPE_CHECKING:
    import cv2

_MOST_RATE_HZ = 10_000
_MOST_FRAMES = 10_000_000  # a container that tells more is not believed
_TRIES_WHERE_UNTOLD = 3  # after a frame that cannot be read, where the container does not tell how many there are


def read_video(source: Source, every: int, complain: Say) -> Iterator[Frame]:
    """One frame in `every`, by the frames' own numbers. `complain` gets a sentence where frames are missing."""
    import cv2

    with _readable_name(source.path) as name:
        video = cv2.VideoCapture(name, cv2.CAP_FFMPEG)  # another backend would take a name with %d for many files
        try:
            yield from _frames(video, source, every, complain)
        except InputError as error:
            complain(f"{shown(source.path)}: {error}")
        finally:
            video.release()


def _frames(video: cv2.VideoCapture, source: Source, every: int, complain: Say) -> Iterator[Frame]:
    import cv2

    if not video.isOpened():
        raise InputError("this video cannot be opened: it is cut off, damaged or of an unknown kind; copy it again")
    width, height = (int(video.get(each)) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    limits.check(width * height, "image_megapixels", f"its frames have {width} x {height} px", 1_000_000)
    rate_hz = video.get(cv2.CAP_PROP_FPS)
    rate_hz = rate_hz if 0 < rate_hz < _MOST_RATE_HZ else DEFAULT_VIDEO_RATE_HZ
    told = video.get(cv2.CAP_PROP_FRAME_COUNT)
    told = int(told) if 0 < told < _MOST_FRAMES else 0
    read, numbers = 0, _Numbers(rate_hz)
    for number, image in _numbered(video, told, numbers):
        read += 1
        if number % every == 0:
            yield Frame(
                f"{source.name}_{number:06d}",
                cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                number / rate_hz,
                starts_sequence=read == 1,
            )
    if not read:
        raise InputError("no frame of this video can be read; copy it again")
    if read < told or numbers.lost:
        raise InputError(
            f"{read} of {max(told, read + numbers.lost)} frames could be read, the others are damaged or "
            "missing; those that were read keep their numbers as far as the file tells them"
        )


def _numbered(video: cv2.VideoCapture, told: int, numbers: _Numbers) -> Iterator[tuple[int, object]]:
    """(number, image) of each frame that can be read; a frame that cannot is no end before as many as were told."""
    import cv2

    failed = 0
    while True:
        there, image = video.read()
        if there:
            numbers.read(video.get(cv2.CAP_PROP_POS_MSEC) / 1000, after_failure=failed > 0)
            failed = 0
            yield numbers.number, image
            continue
        failed += 1
        left = told - numbers.number - 1 if told else _TRIES_WHERE_UNTOLD
        if failed > left:
            return


class _Numbers:
    """The number of the frame just read: one more than the last, or as many more as its time says that were lost.

    Times count after a frame that could not be read, and in a video whose frames have so far come evenly.
    """

    def __init__(self, rate_hz: float) -> None:
        self.number, self.lost = -1, 0
        self._rate_hz, self._even, self._last_s = rate_hz, True, 0.0

    def read(self, time_s: float, after_failure: bool) -> None:
        steps = (time_s - self._last_s) * self._rate_hz if self.number >= 0 else 1.0
        whole = max(1, round(steps))
        if self.number < 0 or not (after_failure or self._even):
            whole = 1
        elif not after_failure and abs(steps - round(steps)) > 0.1:
            self._even, whole = False, 1
        self.number += whole
        self.lost += whole - 1
        self._last_s = time_s


@contextmanager
def _readable_name(path: Path) -> Iterator[str]:
    """A name that OpenCV takes: absolute, so that no colon in it is a protocol, and in UTF-8, by a link where it is not."""
    name = os.path.abspath(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="refit_") as folder:
            link = os.path.join(folder, "video")
            os.symlink(name, link)
            yield link
    else:
        yield name

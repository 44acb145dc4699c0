"""A video's frames by their own numbers, whole or damaged: a frame that cannot be read is not the end of the video."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.video_length import is_cut_off
from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import check_regular, open_regular, shown, what_it_is

_MOST_RATE_HZ = 10_000
_MOST_FRAMES = 10_000_000  # a container that tells more is not believed
_TRIES_WHERE_UNTOLD = 3  # after a frame that cannot be read, where the container does not tell how many there are


class Video:
    """An open video. `rate_hz` and `told`, the number of frames, are 0 where the container says nothing sensible;
    cut_off: whether the file ends before its container does.
    """

    def __init__(self, capture: cv2.VideoCapture, usual_rate_hz: float, cut_off: bool = False) -> None:
        self._cut_off, self._read = cut_off, 0
        rate_hz, told = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate_hz = rate_hz if 0 < rate_hz < _MOST_RATE_HZ else usual_rate_hz
        self.told = int(told) if 0 < told < _MOST_FRAMES else 0
        self._capture, self._numbers = capture, _Numbers(self.rate_hz)

    @property
    def missing(self) -> str:
        """After all frames were read: what is not whole in the file, as the end of a sentence about it; "" where all is."""
        read, lost = self._read, self._numbers.lost
        if read < self.told or lost:
            return (
                f"{read} of {max(self.told, read + lost)} frames could be read, the others are damaged or missing; those "
                "that were read keep their numbers as far as the file tells them"
            )
        if self._cut_off:
            return f"it is cut off before its end: {read} frames could be read, the last may be damaged; copy it again"
        return ""

    def numbered(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number, (H, W, 3) uint8 BGR) of each frame that can be read; one that cannot is no end before all that were
        told."""
        failed, numbers = 0, self._numbers
        while True:
            there, image = self._capture.read()
            if there:
                numbers.read(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, after_failure=failed > 0)
                failed = 0
                self._read += 1
                yield numbers.number, image
                continue
            failed += 1
            left = self.told - numbers.number - 1 if self.told else _TRIES_WHERE_UNTOLD
            if failed > left:
                return


@contextmanager
def open_video(path: Path, usual_rate_hz: float) -> Iterator[Video]:
    """`usual_rate_hz`: of a video that does not say. Raises InputError with a sentence that names the file."""
    check_regular(path)
    with _readable_name(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)  # another backend would take a name with %d for many files
        try:
            if not capture.isOpened():
                with open_regular(path) as file:
                    kind = what_it_is(file.read(512))
                known = kind and "video" not in kind and "image" not in kind  # else it is one, and damaged
                why = f"it is {kind}" if known else "it is cut off, damaged or of an unknown kind; copy it again"
                raise InputError(f"{shown(path)}: this video cannot be opened: {why}")
            width, height = (int(capture.get(each)) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            what = f"{shown(path)}: its frames have {width} x {height} px"
            limits.check(width * height, "image_megapixels", what, 1_000_000)
            yield Video(capture, usual_rate_hz, is_cut_off(path))
        finally:
            capture.release()


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

"""Pictures, folders and videos as one stream of frames; what cannot be read is told and passed over."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"}
DEFAULT_VIDEO_RATE_HZ = 30.0   # where a video file does not tell its own


@dataclass(frozen=True)
class Frame:
    """One picture to be fitted."""
    name: str            # of the files that come out, without ending; unique in a run
    image: np.ndarray    # (H, W, 3) uint8 RGB
    stamp_s: float       # time in its sequence
    starts_sequence: bool  # nothing before it helps to find the people in it


@dataclass(frozen=True)
class Source:
    """A file to read, with the name of what comes out of it."""
    path: Path
    name: str
    starts_sequence: bool


def list_sources(paths: Sequence[str | Path], folder_is_sequence: bool, complain: Callable[[str], None]) -> list[Source]:
    """All files in the order given, folders sorted by name; `complain` gets a sentence for each path that is of no use."""
    found: list[tuple[Path, bool]] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES | VIDEOS)
            if not inside:
                complain(f"{path}: no picture or video in this folder")
            found += [(file, index == 0 or not folder_is_sequence) for index, file in enumerate(inside)]
        elif path.exists():
            found.append((path, True))
        else:
            complain(f"{path}: there is no such file")
    return _with_unique_names(found)


def _with_unique_names(found: list[tuple[Path, bool]]) -> list[Source]:
    sources, taken = [], set()
    for path, starts_sequence in found:
        name, count = path.stem, 1
        while name in taken:
            count += 1
            name = f"{path.stem}_{count}"
        taken.add(name)
        sources.append(Source(path, name, starts_sequence))
    return sources


def read_frames(sources: Sequence[Source], every: int, complain: Callable[[str], None]) -> Iterator[Frame]:
    """Every frame of every source; of videos one in `every`."""
    for index, source in enumerate(sources):
        if source.path.suffix.lower() in VIDEOS:
            yield from _read_video(source, every, complain)
            continue
        image = _read_picture(source.path)
        if image is None:
            complain(f"{source.path}: this is not a picture or video that can be read")
        else:
            yield Frame(source.name, image, index / DEFAULT_VIDEO_RATE_HZ, source.starts_sequence)


def _read_picture(path: Path) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB, turned the way the camera was held; None where the file holds no picture."""
    import cv2
    try:
        content = np.fromfile(path, dtype=np.uint8)   # imdecode says nothing on stderr and takes any file name
    except OSError:
        return None
    if content.size == 0:
        return None
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read_video(source: Source, every: int, complain: Callable[[str], None]) -> Iterator[Frame]:
    import cv2
    video = cv2.VideoCapture(str(source.path))
    try:
        rate_hz = video.get(cv2.CAP_PROP_FPS)
        if not 0 < rate_hz < 10_000:
            rate_hz = DEFAULT_VIDEO_RATE_HZ
        index = 0
        while True:
            there, image = video.read()
            if not there:
                break
            if index % every == 0:
                yield Frame(f"{source.name}_{index:06d}", cv2.cvtColor(image, cv2.COLOR_BGR2RGB), index / rate_hz,
                            starts_sequence=index == 0)
            index += 1
        if index == 0:
            complain(f"{source.path}: this is not a video that can be read")
    finally:
        video.release()

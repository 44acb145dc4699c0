"""A recording of several calibrated cameras as other tools write it: videos, a TOML calibration, 3D joints as TRC or C3D."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.rig import METADATA, camera_of, tables_of
from refit_ros.camera.videos import open_video
from refit_ros.core.errors import InputError
from refit_ros.evaluation.truth import Truth
from refit_ros.evaluation.truth_c3d import read_c3d
from refit_ros.evaluation.truth_trc import read_trc

VIDEOS = (".mp4", ".avi", ".mov", ".mkv")
USUAL_RATE_HZ = 30.0  # of a video that does not say


@dataclass(frozen=True)
class CameraFile:
    """One camera of a recording."""

    calibration: Calibration
    world_from_camera: np.ndarray | None  # (4, 4) m; None: the file does not say
    video: Path


def read_cameras(folder: Path) -> list[CameraFile]:
    """All cameras of the folder's calibration that have a video, by name. Raises InputError with a sentence."""
    files = sorted(folder.glob("*.toml"))
    if len(files) != 1:
        raise InputError(f"{folder}: {len(files)} .toml files; a recording has one, as Pose2Sim or anipose write it")
    tables = tables_of(files[0])
    tables.pop(METADATA, None)
    videos = _videos_in(folder)
    names = {key: str(table.get("name", key)) for key, table in tables.items()}
    cameras = []
    for key, table in tables.items():
        own = [path for path in videos if _plain(path.stem) in (_plain(names[key]), _plain(key))]
        own = own or [path for path in videos if _camera_of_video(path, names) == key]
        if len(own) > 1:
            others = ", ".join(str(path.relative_to(folder)) for path in own)
            raise InputError(f"{folder}: camera '{names[key]}' has {len(own)} videos ({others}): leave one of them there")
        if own:
            cameras.append(CameraFile(*camera_of(key, table, files[0]), own[0]))
    if not cameras:
        raise InputError(f"{folder}: no video is named as a camera of {files[0].name}; name them camera.mp4 or the like")
    return cameras


def _videos_in(folder: Path) -> list[Path]:
    """In it and in all folders below, those that are links too, each once: a link may lead back to where it stands."""
    found, known = list[Path](), set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(folders)
        if os.path.realpath(place) in known:
            folders.clear()
            continue
        known.add(os.path.realpath(place))
        found += [Path(place, name) for name in names if Path(name).suffix.lower() in VIDEOS]
    return sorted(found)


def common_rate_hz(folder: Path, cameras: list[CameraFile]) -> float:
    """Frames a second of all videos. Raises InputError with a sentence where they differ, or one cannot be opened."""
    rates = set()
    for camera in cameras:
        with open_video(camera.video, USUAL_RATE_HZ) as video:
            rates.add(round(video.rate_hz, 2) if 1 <= video.rate_hz <= 1000 else USUAL_RATE_HZ)
    if len(rates) > 1:
        raise InputError(
            f"{folder}: the videos have {', '.join(map(str, sorted(rates)))} frames a second: bring them to one"
        )
    return rates.pop()


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _camera_of_video(path: Path, names: dict[str, str]) -> str | None:
    """The key of the camera with the longest name that the video's begins with: cam10_walk is of cam_10, not of cam_1."""
    begins = {}
    for key, name in names.items():
        parts = re.findall(r"[^\W\d_]+|\d+", name.lower())  # a number goes on as long as there are digits
        if parts and re.match(r"[\W_]*".join(parts) + (r"(?!\d)" if parts[-1].isdigit() else ""), path.stem.lower()):
            begins[key] = len(_plain(name))
    return max(begins, key=lambda key: begins[key], default=None)


def read_truth(folder: Path) -> Truth:
    """The limbs of the folder's only .trc or .c3d; of two of one name, as Pose2Sim writes them, of the .trc, which is finer.

    Raises InputError with a sentence, ModuleNotFoundError where a .c3d cannot be read because `c3d` is not installed.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".trc", ".c3d"))
    if len(files) == 2 and files[0].stem == files[1].stem and files[0].suffix.lower() != files[1].suffix.lower():
        files = [path for path in files if path.suffix.lower() == ".trc"]
    if len(files) != 1:
        found = ", ".join(path.name for path in files[:6]) + (", ..." if len(files) > 6 else "")
        raise InputError(
            f"{folder}: {len(files)} .trc and .c3d files{f' ({found})' if found else ''}; a recording has one, with the "
            "joints of one person in 3D: " + ("leave that one there" if found else "put it there")
        )
    return read_trc(files[0]) if files[0].suffix.lower() == ".trc" else read_c3d(files[0])


def read_frames(path: Path, wanted: set[int]) -> dict[int, np.ndarray]:
    """RGB images by their numbers; fewer where the video ends earlier. Raises InputError where it cannot be opened."""
    images = {}
    with open_video(path, USUAL_RATE_HZ) as video:
        for number, image in video.numbered():
            if number in wanted:
                images[number] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            if number >= max(wanted):
                break
    return images

"""A recording of several calibrated cameras as other tools write it: videos, a TOML calibration, 3D joints as TRC."""

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
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.plain_files import read_text

VIDEOS = (".mp4", ".avi", ".mov", ".mkv")
USUAL_RATE_HZ = 30.0  # of a video that does not say
MOST_FRAMES = 1_000_000  # of a recording: hours
RATE_OFF = 0.02  # by which a TRC's rate may differ from the videos': 29.97 is told as 30
_UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}
WORLD_OF_TRC = (2, 0, 1)  # Pose2Sim writes TRC with y up: (x, y, z) of the file is (y, z, x) of the calibration's world
LIMBS = tuple(
    f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in ("left", "right")
)


@dataclass(frozen=True)
class CameraFile:
    """One camera of a recording."""

    calibration: Calibration
    world_from_camera: np.ndarray | None  # (4, 4) m; None: the file does not say
    video: Path


@dataclass(frozen=True)
class Truth:
    """Joints that another tool found in 3D."""

    names: tuple[str, ...]  # of LIMBS, those that the file has
    points: np.ndarray  # (T, n, 3) m in the calibration's world, NaN where there is none
    rate_hz: float = 0.0  # at which it says they were taken; 0: it does not say
    file: str = ""

    def check_rate(self, videos_hz: float) -> None:
        """Raises InputError with a sentence where its rows cannot be the videos' frames."""
        if self.rate_hz > 0 and abs(self.rate_hz - videos_hz) > RATE_OFF * videos_hz:
            raise InputError(
                f"{self.file} has {self.rate_hz:g} rows a second (DataRate), and the videos {videos_hz:g} frames: its rows "
                "must be the videos' frames; write it anew at the videos' rate"
            )

    @property
    def joints(self) -> list[int]:
        """Indices of SMPL's joints."""
        return [JOINT_INDEX[name] for name in self.names]


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
    """The limbs of the folder's only .trc. Raises InputError with a sentence."""
    files = sorted(folder.glob("*.trc"))
    if len(files) != 1:
        other = " (C3D is not read: write the joints as TRC)" if any(folder.glob("*.[cC]3[dD]")) else ""
        raise InputError(f"{folder}: {len(files)} .trc files; a recording has one, with the joints in 3D{other}")
    rows = [line.split("\t") for line in read_text(files[0], errors="replace").splitlines()]
    try:
        names = [name for name in rows[3][2:] if name]
        unit_m = _UNITS_M[rows[2][4].strip().lower()]
        rate_hz = _rate_hz(rows[2][0])
        rows = [row for row in rows[5:] if row[0].strip()]
        values = [(row[2:] + [""] * 3 * len(names))[: 3 * len(names)] for row in rows]  # some tools leave the last ones out
        found = np.array([[float(value) if value.strip() else np.nan for value in row] for row in values])
        found = found.reshape(len(rows), len(names), 3)[..., WORLD_OF_TRC] * unit_m
        frames = _frame_numbers([float(row[0]) for row in rows])
    except (IndexError, KeyError, ValueError) as error:
        raise InputError(f"{files[0]} is no TRC with markers, units and rows of numbers ({error})") from None
    own = {_limb(name): index for index, name in reversed(list(enumerate(names)))}
    known = [name for name in LIMBS if name in own]
    if len(known) < 4 or not len(found):
        raise InputError(f"{files[0]}: of its markers, {len(known)} are limbs' joints (RHip, LKnee, left_wrist, ...)")
    points = np.full((frames[-1] + 1, len(known), 3), np.nan)
    points[frames] = found[:, [own[name] for name in known]]
    return Truth(tuple(known), points, rate_hz, str(files[0]))


def _rate_hz(text: str) -> float:
    try:
        rate_hz = float(text)
    except ValueError:
        return 0.0
    return rate_hz if np.isfinite(rate_hz) else 0.0


def _frame_numbers(told: list[float]) -> np.ndarray:
    """The videos' frames, from 0, of a TRC's first column, which counts from 1 or 0. Raises ValueError with a reason."""
    frames = np.array(told)
    if not (np.isfinite(frames).all() and (frames == np.floor(frames)).all() and (np.diff(frames) > 0).all()):
        raise ValueError("its frames' numbers do not rise")
    frames = frames.astype(np.int64) - (1 if len(frames) and frames[0] > 0 else 0)
    if len(frames) and not 0 <= frames[0] <= frames[-1] < MOST_FRAMES:
        raise ValueError(f"its frames have the numbers {told[0]:g} to {told[-1]:g}")
    return frames


def _limb(name: str) -> str:
    """RKnee, Right_Knee, right knee -> right_knee; anything else as it is."""
    found = re.fullmatch(r"(l|r|left|right)[ _]?(hip|knee|ankle|shoulder|elbow|wrist)", name.strip(), re.IGNORECASE)
    return f"{'left' if found[1][0] in 'lL' else 'right'}_{found[2].lower()}" if found else name


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

"""Where several cameras stand, and the file that says so: TOML, as anipose and Pose2Sim write it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.camera.calibration import Calibration
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import read_text, shown, whole_file

METADATA, FIXED_FRAME = "metadata", "fixed_frame"


@dataclass(frozen=True)
class Rig:
    """Cameras, and where they stand in a fixed frame."""

    calibrations: tuple[Calibration, ...]
    fixed_frame: str
    fixed_from_camera: np.ndarray  # (C, 4, 4) m
    residual_px: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (C,) root mean square of what fits
    fitting: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (C,) share of the points seen that fits
    sets: int = 0  # at which two cameras saw the same person
    people: int = 0
    walked_m: float = 0.0  # between the places where people were seen

    def relative(self, first: int = 0) -> np.ndarray:
        """(C, 4, 4) m: the cameras as seen from one of them."""
        return np.linalg.inv(self.fixed_from_camera[first]) @ self.fixed_from_camera


def differences(rig: Rig, other: Rig, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(C,) degrees and (C,) m between two rigs of the same cameras, both seen from camera `first`.

    What is wrong with that camera is in all the others' numbers; `differences_laid` takes none of them for right.
    """
    return _apart(rig.relative(first), other.relative(first))


def differences_laid(rig: Rig, other: Rig) -> tuple[np.ndarray, np.ndarray]:
    """(C,) degrees and (C,) m between two rigs of the same cameras, one laid onto the other as well as it goes.

    It is turned by the chordal mean of what all cameras ask for (Hartley et al., "Rotation averaging", IJCV 2013, 5.3), then
    moved so that the middles of all cameras meet. Sizes stay as they are.
    """
    one, two = rig.fixed_from_camera, other.fixed_from_camera
    onto = np.eye(4)
    onto[:3, :3] = Rotation.from_matrix(two[:, :3, :3] @ one[:, :3, :3].transpose(0, 2, 1)).mean().as_matrix()
    onto[:3, 3] = (two[:, :3, 3] - one[:, :3, 3] @ onto[:3, :3].T).mean(0)
    return _apart(onto @ one, two)


def _apart(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cosine = (np.einsum("cij,cij->c", one[:, :3, :3], two[:, :3, :3]) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.linalg.norm(one[:, :3, 3] - two[:, :3, 3], axis=1)


def tables_of(path: Path) -> dict[str, dict]:
    """The cameras' tables of a file, by their keys, and `metadata`. Raises InputError with a sentence."""
    try:
        tables = tomllib.loads(read_text(path, "cameras_file_kilobytes", 2**10))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    found = {key: table for key, table in tables.items() if isinstance(table, dict)}
    return {key: table for key, table in found.items() if "matrix" in table or key == METADATA}


def camera_of(key: str, table: dict, path: Path) -> tuple[Calibration, np.ndarray | None]:
    """A camera's table -> its lens, and world_from_camera (4, 4) m; None where it says nothing of that.

    Raises InputError with a sentence.
    """
    name = str(table.get("name", key))
    known = "rotation" in table or "translation" in table
    try:
        width, height = (int(value) for value in table["size"])
        matrix = np.array(table["matrix"], float).reshape(3, 3)
        lens = np.array(table["distortions"], float).reshape(-1)
        rotation, _ = cv2.Rodrigues(np.array(table["rotation"] if known else np.zeros(3), float).reshape(3))
        translation = np.array(table["translation"] if known else np.zeros(3), float).reshape(3)
    except KeyError as error:
        raise InputError(f"{shown(path)}: camera '{shown(name)}' lacks {error.args[0]}") from None
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{shown(path)}: camera '{shown(name)}' needs size (2 numbers), matrix (3 x 3), distortions (a list), "
            "rotation and translation (3 numbers each), and one of them is none"
        ) from None
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise InputError(f"{shown(path)}: camera '{shown(name)}' stands nowhere: rotation or translation are not finite")
    if table.get("fisheye"):
        raise InputError(f"{path}: camera '{name}' is a fisheye, which is not read; undistort its video first")
    model = str(table.get("distortion_model", "plumb_bob"))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ translation
    try:
        calibration = Calibration.from_camera_info_fields(
            name, str(table.get("frame_id", name)), width, height, matrix.reshape(-1), lens, model
        )
    except ValueError as error:
        raise InputError(f"{shown(path)}: {shown(error)}") from None
    return calibration, pose if known else None


def read_rig(path: Path) -> Rig:
    """A file that `write_rig` wrote. Raises InputError or OSError with a sentence."""
    tables = tables_of(path)
    frame = tables.pop(METADATA, {}).get(FIXED_FRAME)
    cameras = [camera_of(key, table, path) for key, table in tables.items()]
    advice = "write it with `python -m refit_ros calibrate`"
    if not cameras:
        raise InputError(f"{path} holds no camera: {advice}")
    if not isinstance(frame, str) or not frame.strip("/"):
        raise InputError(f"{path} names no {FIXED_FRAME} under [{METADATA}]: {advice}")
    poses = np.array([np.eye(4) if pose is None else pose for _, pose in cameras])
    lost = [calibration.name for calibration, pose in cameras if pose is None]
    if lost:
        raise InputError(f"{path}: camera '{lost[0]}' has no rotation and translation: {advice}")
    if not np.isfinite(poses).all():
        raise InputError(f"{path} holds numbers that are not finite: {advice}")
    return Rig(tuple(calibration for calibration, _ in cameras), frame.strip("/"), poses)


def write_rig(path: Path, rig: Rig) -> None:
    """Whole or not at all."""
    lines = ["# Where cameras stand: written by `python -m refit_ros calibrate`.", ""]
    for index, (calibration, pose) in enumerate(zip(rig.calibrations, np.linalg.inv(rig.fixed_from_camera))):
        rotation, _ = cv2.Rodrigues(pose[:3, :3])
        lines += [f"[{json.dumps(calibration.name)}]", f"name = {json.dumps(calibration.name)}"]
        lines += [f"frame_id = {json.dumps(calibration.frame_id)}"]
        lines += [f"size = [{calibration.width_px}, {calibration.height_px}]"]
        lines += [f"matrix = [{', '.join(_numbers(row) for row in calibration.K)}]"]
        lines += [f"distortion_model = {json.dumps(calibration.distortion_model)}"]
        lines += [f"distortions = {_numbers(calibration.coefficients)}"]
        lines += [f"rotation = {_numbers(rotation.reshape(3))}  # Rodrigues vector, rad, from the fixed frame to the camera"]
        lines += [f"translation = {_numbers(pose[:3, 3])}  # m, likewise"]
        lines += ["fisheye = false"]
        if len(rig.residual_px):
            lines += [f"residual_px = {rig.residual_px[index]:.3f}", f"fitting = {rig.fitting[index]:.4f}"]
        lines += [""]
    lines += [f"[{METADATA}]", f"{FIXED_FRAME} = {json.dumps(rig.fixed_frame)}"]
    with whole_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _numbers(values: np.ndarray) -> str:
    return f"[{', '.join(repr(float(value)) for value in values)}]"

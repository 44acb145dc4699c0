"""Which images of a set can be used, and where their cameras stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.keypoints import GivenKeypoints

FARTHEST_M = 1e7  # nothing on earth is farther from anything on it
KEPT_POSES = 256  # cameras mostly stand still, so what was found of a pose is found again in each set


@dataclass(frozen=True)
class View:
    """One camera's image of a synchronized set."""

    image: np.ndarray | None  # (H, W, 3) uint8 RGB, as the camera gave it (distorted); None: it is on another machine
    calibration: Calibration
    stamp_s: float  # capture time
    fixed_from_camera: np.ndarray | None = None  # (4, 4) m; None: no extrinsics are known
    boxes: Boxes | None = None  # from outside (detector "topic"); None: find them here
    keypoints: GivenKeypoints | None = None  # from outside; where landmarks are the evidence, nobody looks then


@dataclass(frozen=True)
class Camera:
    """A usable view: its image, its lens and its pose."""

    image: np.ndarray | None  # (H, W, 3) uint8 RGB; None: it is on another machine
    calibration: Calibration
    stamp_s: float
    fixed_from_camera: np.ndarray  # (4, 4) m
    boxes: Boxes | None
    keypoints: GivenKeypoints | None = None

    @property
    def name(self) -> str:
        return self.calibration.name

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) camera_from_fixed."""
        return self.fixed_from_camera[:3, :3].T

    def to_camera(self, points_fixed_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) m of the fixed frame in this camera's optical frame."""
        return (points_fixed_m - self.fixed_from_camera[:3, 3]) @ self.fixed_from_camera[:3, :3]

    def to_fixed(self, points_camera_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) m of this camera's optical frame in the fixed frame."""
        return points_camera_m @ self.fixed_from_camera[:3, :3].T + self.fixed_from_camera[:3, 3]


def image_of(camera: Camera | View) -> np.ndarray:
    """Raises ValueError where it is not here."""
    if camera.image is None:
        raise ValueError(f"the image of camera {camera.calibration.name} is on another machine; look at it there")
    return camera.image


def usable(views: Sequence[View], several: bool) -> tuple[list[Camera], dict[str, str]]:
    """The cameras that can be used, and for each of the others why not.

    A view without extrinsics defines the fixed frame itself only when it is the only camera there ever was
    (`several` false); otherwise it is left out, never taken as identity.
    """
    used: list[View] = []
    left_out: dict[str, str] = {}
    for view in views:
        name = view.calibration.name
        reason = _fault(view, several)
        if reason is None and any(one.calibration.name == name for one in used):
            reason = "a second image under the same camera name"
        if reason is not None:
            left_out[name] = reason
            continue
        used.append(view)
    return [_camera(view) for view in used], left_out


def _camera(view: View) -> Camera:
    """Of a view without a fault."""
    if view.fixed_from_camera is None:
        pose = np.eye(4)
    else:
        pose = _exact(np.asarray(view.fixed_from_camera, np.float64).tobytes())[1].copy()
    return Camera(view.image, view.calibration, view.stamp_s, pose, view.boxes, view.keypoints)


def _fault(view: View, several: bool) -> str | None:
    image, calibration = view.image, view.calibration
    try:
        calibration.check()
    except ValueError as error:
        return str(error)
    if image is not None and (fault := _fault_of_image(image, calibration)) is not None:
        return fault
    if not math.isfinite(view.stamp_s):
        return "its stamp is not a number"
    if view.fixed_from_camera is None:
        return "its pose in the fixed frame is unknown" if several else None
    pose = np.asarray(view.fixed_from_camera)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        return "its pose in the fixed frame is not a finite 4 x 4 matrix"
    return _exact(pose.astype(np.float64).tobytes())[0]


@lru_cache(maxsize=KEPT_POSES)
def _exact(numbers: bytes) -> tuple[str | None, np.ndarray]:
    """Of a pose of 4 x 4 finite float64: what is wrong with it, or None and the same (4, 4) with rounding errors of its
    rotation removed, not to be written to."""
    pose, exact = np.frombuffer(numbers).reshape(4, 4), np.eye(4)
    fault = _fault_of_pose(pose)
    if fault is None:
        u, _, vt = np.linalg.svd(pose[:3, :3])
        exact[:3, :3], exact[:3, 3] = u @ vt, pose[:3, 3]
    return fault, exact


def _fault_of_pose(pose: np.ndarray) -> str | None:
    if abs(np.linalg.det(pose[:3, :3]) - 1) > 0.05 or np.abs(pose[3] - [0, 0, 0, 1]).max() > 1e-6:
        return "its pose in the fixed frame is no rigid motion"
    if np.abs(pose[:3, 3]).max() > FARTHEST_M:
        return f"its pose in the fixed frame is more than {FARTHEST_M:g} m from its origin: are its numbers metres?"
    return None


def fits(view: View) -> bool:
    """Whether an image is one, of the size for which its camera is calibrated."""
    return view.image is not None and _fault_of_image(view.image, view.calibration) is None


def _fault_of_image(image: np.ndarray, calibration: Calibration) -> str | None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        return f"image is {image.dtype} {image.shape}, expected uint8 (height, width, 3)"
    if image.shape[:2] != (calibration.height_px, calibration.width_px):
        return (
            f"image is {image.shape[1]} x {image.shape[0]} px, but calibrated for "
            f"{calibration.width_px} x {calibration.height_px}"
        )
    return None

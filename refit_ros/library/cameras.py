"""A camera as a program describes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.lens_names import understood
from refit_ros.core.camera import default_focal_px


@dataclass(frozen=True)
class Camera:
    """Lens and place of one camera. Raises ValueError, in one sentence, on shapes that describe none.

    K: (3, 3) intrinsics in px of the images as they come.
    D, distortion_model: as in OpenCV and ROS; "plumb_bob", "rational_polynomial" or "equidistant", or as other tools call
    these ("fisheye", "radtan", ...). A plumb_bob with more than five coefficients is OpenCV's longer model.
    fixed_from_camera: (4, 4) m, optical frame (x right, y down, z forward) to the frame that people are given in. Several
    cameras need it; one alone gives people in its own optical frame without it.
    """

    K: np.ndarray
    D: np.ndarray | tuple[float, ...] | None = ()
    distortion_model: str = "plumb_bob"
    fixed_from_camera: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", np.array(self.K, np.float64))
        object.__setattr__(self, "D", np.array(() if self.D is None else self.D, np.float64).reshape(-1))
        if self.K.shape != (3, 3):
            raise ValueError(f"K has shape {self.K.shape}, expected (3, 3)")
        if self.fixed_from_camera is not None:
            object.__setattr__(self, "fixed_from_camera", np.array(self.fixed_from_camera, np.float64))
            if np.shape(self.fixed_from_camera) != (4, 4):
                raise ValueError(f"fixed_from_camera has shape {np.shape(self.fixed_from_camera)}, expected (4, 4)")

    @classmethod
    def guessed(cls, height_px: int, width_px: int) -> Camera:
        """What is assumed of a camera that nobody calibrated: the image's diagonal as focal length, its centre, no lens."""
        focal_px = default_focal_px(height_px, width_px)
        return cls(np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]]))

    def calibration(self, name: str, height_px: int, width_px: int) -> Calibration:
        """For images of this size. Raises ValueError, in one sentence, where the numbers describe no camera."""
        try:
            model, D = understood(self.distortion_model or "", np.asarray(self.D))
        except ValueError as error:
            raise ValueError(f"camera {name}: {error}") from None
        made = Calibration(name, name, width_px, height_px, self.K, model, D)
        made.check()
        return made


def camera_from(camera: Camera | Calibration | np.ndarray) -> Camera:
    """A `Camera` from what a program may give instead of one. Raises ValueError with a sentence on anything else."""
    if isinstance(camera, Camera):
        return camera
    if isinstance(camera, Calibration):
        return Camera(camera.K, camera.coefficients, camera.distortion_model)
    try:
        return Camera(np.asarray(camera, np.float64))
    except (TypeError, RuntimeError):  # the latter of tensors that cannot be read as they are
        raise ValueError(f"a camera is a (3, 3) matrix, a Calibration or a Camera, not {type(camera).__name__}") from None

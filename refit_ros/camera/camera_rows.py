"""Several calibrated cameras at once: what each sees of the same points, in one computation for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.calibration import inside, into_pixels, onto_plane
from refit_ros.camera.views import Camera


@dataclass(frozen=True)
class CameraRows:
    """V cameras, a row for each; as `Camera` and `Calibration`, which are of one."""

    cameras: tuple[Camera, ...]
    rotation: np.ndarray  # (V, 3, 3) camera from fixed frame
    origin_m: np.ndarray  # (V, 3) in the fixed frame
    K: np.ndarray  # (V, 3, 3) of the raw images
    focal_px: np.ndarray  # (V,) of the square-pixel pinholes
    size_px: np.ndarray  # (V, 2) width, height

    @classmethod
    def of(cls, cameras: Sequence[Camera]) -> CameraRows:
        poses = np.array([camera.fixed_from_camera for camera in cameras], float).reshape(-1, 4, 4)
        lenses = [camera.calibration for camera in cameras]
        return cls(
            tuple(cameras),
            rotation=np.swapaxes(poses[:, :3, :3], 1, 2),
            origin_m=poses[:, :3, 3],
            K=np.array([lens.K for lens in lenses], float).reshape(-1, 3, 3),
            focal_px=np.array([lens.focal_px for lens in lenses]),
            size_px=np.array([(lens.width_px, lens.height_px) for lens in lenses], float).reshape(-1, 2),
        )

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, views: Sequence[int] | np.ndarray) -> CameraRows:
        """Some of the cameras."""
        rows = list(views)
        return CameraRows(
            tuple(self.cameras[row] for row in rows),
            self.rotation[rows],
            self.origin_m[rows],
            self.K[rows],
            self.focal_px[rows],
            self.size_px[rows],
        )

    @property
    def principal_px(self) -> np.ndarray:
        """(V, 2) of the square-pixel pinholes."""
        return self.K[:, :2, 2]

    def to_camera(self, points_fixed_m: np.ndarray) -> np.ndarray:
        """Points (N, 3) m of the fixed frame in each camera's optical frame, (V, N, 3)."""
        return (points_fixed_m - self.origin_m[:, None]) @ np.swapaxes(self.rotation, 1, 2)

    def project(self, points_camera_m: np.ndarray) -> np.ndarray:
        """Points (V, N, 3) m in each camera's own optical frame to its raw pixels (V, N, 2)."""
        plane = onto_plane(points_camera_m)
        for view, camera in enumerate(self.cameras):
            if camera.calibration.distorted:
                plane[view] = camera.calibration.distort(plane[view])
        return into_pixels(plane, self.K[:, None])

    def sees(self, points_camera_m: np.ndarray) -> np.ndarray:
        """(V, N) bool: points (V, N, 3) m in each camera's own optical frame lie before it and inside its raw image."""
        return self.shows(points_camera_m, self.project(points_camera_m))

    def shows(self, points_camera_m: np.ndarray, raw_px: np.ndarray) -> np.ndarray:
        """`sees`, of points whose raw pixels (V, N, 2) are known."""
        shown = inside(points_camera_m, raw_px, self.size_px[:, None])
        for view, camera in enumerate(self.cameras):
            if camera.calibration.distorted:
                shown[view] &= camera.calibration.is_of_the_lens(points_camera_m[view])
        return shown

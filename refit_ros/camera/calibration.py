"""A camera as CameraInfo describes it: intrinsics, distortion, the image's size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from refit_ros.camera import distortion
from refit_ros.camera.lens_names import COEFFICIENTS, understood

# Of width and height as a pinhole has them: a fisheye that sees all around itself still has 145 degrees of these.
FIELD_OF_VIEW_DEG = 0.1, 160.0
ADVICE = "calibrate the camera, or publish the result of its calibration"
MOST_STRETCHED = 10.0  # of one focal length to the other; anamorphic lenses and halved rows have 2
GRID, MOST_WITHOUT_RAY = 9, 0.5  # points along each side of the image; a sound lens may be unsure of its corners
FARTHEST_CENTRE = 10.0  # of the principal point from the image, in its widths and heights


@dataclass(frozen=True)
class Calibration:
    """Intrinsics of one camera, for the image as it arrives (ROI and binning already applied to K).

    Three kinds of pixels: raw (the image as it comes), undistorted (a pinhole with the same K) and
    square (a pinhole with one focal length and the same principal point: what the network is told of).
    Where fx = fy and D is zero all three are the same.
    """

    name: str
    frame_id: str  # optical frame, REP 103: x right, y down, z forward
    width_px: int
    height_px: int
    K: np.ndarray  # (3, 3)
    distortion_model: str = "plumb_bob"  # plumb_bob, rational_polynomial, equidistant
    D: np.ndarray | None = None  # (0, 4, 5, 8, 12 or 14); None or empty: no distortion

    @classmethod
    def from_camera_info_fields(
        cls,
        name: str,
        frame_id: str,
        width: int,
        height: int,
        k,
        d=(),
        distortion_model: str = "plumb_bob",
        binning_x: int = 0,
        binning_y: int = 0,
        roi_x_offset: int = 0,
        roi_y_offset: int = 0,
        roi_width: int = 0,
        roi_height: int = 0,
    ) -> Calibration:
        """From the fields of a camera's calibration message, ROI and binning applied to K and size.

        `width`, `height`, `k` (9 numbers, row by row) and the ROI are those of the full sensor; binning 0 means 1;
        a ROI of zero size means all of it. Raises ValueError with one sentence on anything unusable.
        """
        numbers = np.asarray(k, np.float64)
        if numbers.size != 9:
            raise ValueError(f"camera {name}: K holds {numbers.size} numbers, expected 9")
        K = numbers.reshape(3, 3).copy()
        bin_x, bin_y = max(1, int(binning_x)), max(1, int(binning_y))
        full = roi_width == 0 or roi_height == 0
        size = (width, height) if full else (roi_width, roi_height)
        if not full:
            K[0, 2] -= roi_x_offset
            K[1, 2] -= roi_y_offset
        K[0] /= bin_x
        K[1] /= bin_y
        try:
            model, D = understood(distortion_model or "", d)
        except ValueError as error:
            raise ValueError(f"camera {name}: {error}; {ADVICE}") from None
        calibration = cls(name, frame_id, int(size[0]) // bin_x, int(size[1]) // bin_y, K, model, D)
        calibration.check()
        return calibration

    def check(self) -> None:
        """Raises ValueError, saying what is wrong and what to do, where the numbers describe no camera."""
        if self._fault is not None:
            raise ValueError(self._fault)

    @cached_property
    def _fault(self) -> str | None:
        try:
            self._check()
        except ValueError as error:
            return str(error)
        return None

    def _check(self) -> None:
        if self.width_px <= 0 or self.height_px <= 0:
            raise ValueError(f"camera {self.name}: image of {self.width_px} x {self.height_px} px; {ADVICE}")
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all():
            raise ValueError(f"camera {self.name}: K is not a 3 x 3 matrix of finite numbers; {ADVICE}")
        if not (self.K[0, 0] > 0 and self.K[1, 1] > 0):
            raise ValueError(
                f"camera {self.name}: focal length {self.K[0, 0]:g} x {self.K[1, 1]:g} px is not positive; {ADVICE}"
            )
        off = np.abs([self.K[1, 0], self.K[2, 0], self.K[2, 1], self.K[2, 2] - 1 if self.K[2, 2] else 0])
        if off.max() > 1e-6:
            raise ValueError(
                f"camera {self.name}: K is not [fx 0 cx, 0 fy cy, 0 0 1], row by row: its last row is "
                f"{' '.join(f'{each:g}' for each in self.K[2])}, below fx stands {self.K[1, 0]:g}; {ADVICE}"
            )
        self._check_sense()
        known = COEFFICIENTS.get(self.distortion_model)
        if known is None:
            raise ValueError(
                f"camera {self.name}: distortion model {self.distortion_model!r} is unknown; "
                f"it can be one of {', '.join(COEFFICIENTS)}"
            )
        if self.coefficients.size > known[-1] or not np.isfinite(self.coefficients).all():
            raise ValueError(
                f"camera {self.name}: {self.distortion_model} takes up to {known[-1]} finite coefficients, "
                f"D holds {self.coefficients.size}"
            )
        if self._without_ray > MOST_WITHOUT_RAY:
            raise ValueError(
                f"camera {self.name}: D ({', '.join(f'{each:.3g}' for each in self.coefficients[:5])} ...) says nothing of "
                f"{100 * self._without_ray:.0f} % of the image: its polynomial turns back before; it is another lens's "
                f"or another size's; {ADVICE}"
            )

    @cached_property
    def _without_ray(self) -> float:
        """Share of the image at which the lens puts no ray."""
        if not self.distorted:
            return 0.0
        x, y = np.meshgrid(np.linspace(0, self.width_px - 1, GRID), np.linspace(0, self.height_px - 1, GRID))
        plane = self._plane(np.stack([x, y], -1))
        return 1.0 - float(distortion.has_ray(plane, self.distortion_model, self.coefficients).mean())

    def _check_sense(self) -> None:
        """Finite numbers can be nonsense too: a focal length of 1e-308 px makes rays infinite much later."""
        size = np.array([self.width_px, self.height_px], float)
        focal, centre = np.diag(self.K)[:2], self.K[:2, 2]
        with np.errstate(over="ignore"):
            views_deg = np.rad2deg(2 * np.arctan(size / 2 / focal))
        if focal.max() > MOST_STRETCHED * focal.min():
            raise ValueError(
                f"camera {self.name}: focal lengths of {focal[0]:g} and {focal[1]:g} px are no camera's, whose pixels are "
                f"about square; {ADVICE}"
            )
        low, high = FIELD_OF_VIEW_DEG
        if not ((views_deg >= low) & (views_deg <= high)).all():
            raise ValueError(
                f"camera {self.name}: a focal length of {focal[0]:g} x {focal[1]:g} px for {self.width_px} x "
                f"{self.height_px} px sees {views_deg[0]:.3g} x {views_deg[1]:.3g} degrees, and cameras see {low:g} to "
                f"{high:g}{'' if views_deg.max() <= high else '; K is in px: are these millimetres?'}; {ADVICE}"
            )
        if (np.abs(centre - size / 2) > (FARTHEST_CENTRE + 0.5) * size).any() or abs(self.K[0, 1]) > focal[0]:
            raise ValueError(
                f"camera {self.name}: principal point {centre[0]:g}, {centre[1]:g} px or skew {self.K[0, 1]:g} lie far from "
                f"an image of {self.width_px} x {self.height_px} px; {ADVICE}"
            )

    @cached_property
    def coefficients(self) -> np.ndarray:
        """(n,) distortion coefficients, empty without any."""
        return np.zeros(0) if self.D is None else np.asarray(self.D, np.float64).reshape(-1)

    @cached_property
    def distorted(self) -> bool:
        # An equidistant lens bends rays even with all coefficients zero.
        return bool(self.coefficients.any()) or (self.distortion_model == "equidistant" and self.coefficients.size > 0)

    @cached_property
    def is_plain(self) -> bool:
        """One focal length, no distortion, no skew: raw pixels are square pixels."""
        return not self.distorted and abs(self.K[0, 0] - self.K[1, 1]) < 1e-6 * self.K[0, 0] and self.K[0, 1] == 0

    @cached_property
    def focal_px(self) -> float:
        """Of the square-pixel pinhole."""
        return float(np.sqrt(self.K[0, 0] * self.K[1, 1]))

    @property
    def principal_px(self) -> np.ndarray:
        """(2,) of the square-pixel pinhole."""
        return self.K[:2, 2].astype(np.float64)

    def undistort_px(self, points: np.ndarray) -> np.ndarray:
        """Raw pixels (..., 2) to undistorted pixels with the same K."""
        return self._pixels(self._normalised(points))

    def distort_px(self, points: np.ndarray) -> np.ndarray:
        """Undistorted pixels (..., 2) with the same K to raw pixels."""
        plane = self._plane(points)
        return self._pixels(self.distort(plane))

    def distort(self, plane: np.ndarray) -> np.ndarray:
        """Where the lens puts rays (..., 2) = (x/z, y/z)."""
        return distortion.distort(plane, self.distortion_model, self.coefficients) if self.distorted else plane

    def square_from_raw_px(self, points: np.ndarray) -> np.ndarray:
        """Raw pixels (..., 2) to the square-pixel pinhole."""
        if self.is_plain:
            return np.asarray(points, np.float64)
        return self._normalised(points) * self.focal_px + self.principal_px

    def raw_from_square_px(self, points: np.ndarray) -> np.ndarray:
        """The square-pixel pinhole (..., 2) to raw pixels."""
        if self.is_plain:
            return np.asarray(points, np.float64)
        plane = (np.asarray(points, np.float64) - self.principal_px) / self.focal_px
        return self._pixels(self.distort(plane))

    def project(self, points_camera_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) m in the optical frame to raw pixels (..., 2); those behind the camera land far outside."""
        return self._pixels(self.distort(onto_plane(points_camera_m)))

    def project_square(self, points_camera_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) m in the optical frame to pixels (..., 2) of the square-pixel pinhole."""
        return onto_plane(points_camera_m) * self.focal_px + self.principal_px

    def sees(self, points_camera_m: np.ndarray) -> np.ndarray:
        """(...,) bool: in front of the camera and inside the raw image."""
        points = np.asarray(points_camera_m, np.float64)
        size_px = np.array([self.width_px, self.height_px])
        return inside(points, self.project(points), size_px) & self.is_of_the_lens(points)

    def is_of_the_lens(self, points_camera_m: np.ndarray) -> np.ndarray:
        """(...,) bool: points (..., 3) m in the optical frame that no polynomial folds back into the image from outside."""
        if not self.distorted:
            return np.ones(points_camera_m.shape[:-1], bool)
        return np.hypot(*np.moveaxis(onto_plane(points_camera_m), -1, 0)) <= 1.05 * self._widest_plane_radius

    @cached_property
    def _widest_plane_radius(self) -> float:
        w, h = self.width_px - 1.0, self.height_px - 1.0
        border = np.array([[0, 0], [w, 0], [0, h], [w, h], [w / 2, 0], [w / 2, h], [0, h / 2], [w, h / 2]])
        return float(np.linalg.norm(self._normalised(border), axis=-1).max())

    def _normalised(self, raw_px: np.ndarray) -> np.ndarray:
        plane = self._plane(raw_px)
        return distortion.undistort(plane, self.distortion_model, self.coefficients) if self.distorted else plane

    def _plane(self, pixels: np.ndarray) -> np.ndarray:
        pixels = np.asarray(pixels, np.float64)
        y = (pixels[..., 1] - self.K[1, 2]) / self.K[1, 1]
        x = (pixels[..., 0] - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        return np.stack([x, y], -1)

    def _pixels(self, plane: np.ndarray) -> np.ndarray:
        return into_pixels(plane, self.K)


def into_pixels(plane: np.ndarray, K: np.ndarray) -> np.ndarray:
    """x/z, y/z (..., 2) to pixels (..., 2) of cameras K (..., 3, 3)."""
    x, y = plane[..., 0], plane[..., 1]
    return np.stack([x * K[..., 0, 0] + y * K[..., 0, 1] + K[..., 0, 2], y * K[..., 1, 1] + K[..., 1, 2]], -1)


def inside(points_camera_m: np.ndarray, raw_px: np.ndarray, size_px: np.ndarray) -> np.ndarray:
    """(...,) bool: points (..., 3) m in the optical frame before the camera, whose pixels (..., 2) lie in an image of
    size_px (..., 2) width, height."""
    return np.all((raw_px >= -0.5) & (raw_px < size_px - 0.5), axis=-1) & (points_camera_m[..., 2] > 0.05)


def onto_plane(points_camera_m: np.ndarray) -> np.ndarray:
    """Points (..., 3) to x/z, y/z (..., 2); depths below 1 mm count as 1 mm so that nothing becomes infinite."""
    points = np.asarray(points_camera_m, np.float64)
    return points[..., :2] / np.maximum(points[..., 2:], 1e-3)

"""Flat things among the people: a poster that somebody carries, a desk. They hide people and are hidden by them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from refit_ros.camera.calibration import Calibration
from refit_ros.core.joints import JOINT_INDEX

NEAREST_M = 0.15  # a panel with a corner nearer to the camera than this is left out
POSTER_M = (0.75, 1.7)  # width, height
POSTER_BESIDE_M, POSTER_ABOVE_FLOOR_M = 0.42, 0.1
CARDBOARD = np.full((8, 8, 3), (178, 148, 110), np.uint8)


@dataclass(frozen=True)
class Panel:
    """A rectangle in the world with an image on its front and another on its back."""

    corners_m: np.ndarray  # (4, 3): upper left, upper right, lower right, lower left, as its front is looked at
    front: np.ndarray  # (h, w, 3) uint8 RGB
    back: np.ndarray


def draw_panels(
    image: np.ndarray, depth_m: np.ndarray, panels: list[Panel], calibration: Calibration, world_from_camera: np.ndarray
) -> None:
    """Onto an image (H, W, 3), where nothing nearer is; depth_m (H, W), infinite where nothing is, is kept up to date."""
    for panel in panels:
        corners = (panel.corners_m - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
        if corners[:, 2].min() < NEAREST_M:
            continue
        normal = np.cross(corners[1] - corners[0], corners[3] - corners[0])
        texture = panel.front if normal @ corners[0] > 0 else panel.back  # x right, y down: the front's normal points away
        _draw(image, depth_m, corners, normal, texture, calibration)


def _draw(image, depth_m, corners, normal, texture, calibration: Calibration) -> None:
    K, (height, width) = calibration.K, image.shape[:2]
    pixels = corners[:, :2] / corners[:, 2:] * [K[0, 0], K[1, 1]] + [K[0, 2], K[1, 2]]
    high, wide = texture.shape[0] - 1, texture.shape[1] - 1
    source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    warp = cv2.getPerspectiveTransform(source, pixels.astype(np.float32))
    drawn = cv2.warpPerspective(texture, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, pixels.clip(-1e4, 1e4).round().astype(np.int32), 1)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    along = normal[0] * (columns - K[0, 2]) / K[0, 0] + normal[1] * (rows - K[1, 2]) / K[1, 1] + normal[2]
    with np.errstate(divide="ignore"):
        plane_m = (normal @ corners[0]) / along
    seen = (inside > 0) & (plane_m > 0) & (plane_m < depth_m)
    image[seen], depth_m[seen] = drawn[seen], plane_m[seen]


class Poster:
    """As large as a person, with one on it, carried upright at somebody's left side."""

    def __init__(self, carrier: int, print_: np.ndarray) -> None:
        """carrier: their position among the people; print_: (h, w, 3) uint8 RGB."""
        self._carrier, self._print = carrier, print_

    def panels(self, joints_m: np.ndarray) -> list[Panel]:
        """joints_m (N, 24, 3): of everybody at this time."""
        mine = joints_m[self._carrier]
        left = mine[JOINT_INDEX["left_shoulder"]] - mine[JOINT_INDEX["right_shoulder"]]
        left = np.array([left[0], left[1], 0]) / max(np.hypot(left[0], left[1]), 1e-6)
        ahead = np.cross(left, [0, 0, 1.0])
        width, height = POSTER_M
        foot = np.array([*(mine[0] + POSTER_BESIDE_M * left)[:2], POSTER_ABOVE_FLOOR_M])
        up = np.array([0, 0, height])
        # Its front is looked at from the person's left: what is ahead of them lies at its left edge.
        before, behind = foot + ahead * width / 2, foot - ahead * width / 2
        return [Panel(np.stack([before + up, behind + up, behind, before]), self._print, CARDBOARD)]


class Desk:
    """A desk whose front is closed, and a chair's back, for somebody who sits at the origin and looks along -y."""

    TOP_M, DEPTH_M, WIDE_M, NEAR_Y_M = 0.76, 0.75, 1.5, -0.25

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([97, seed])
        wood = np.array([120, 84, 52]) * rng.uniform(0.7, 1.5)
        grain = np.clip(wood + rng.normal(0, 7, (24, 64, 1)), 0, 255).astype(np.uint8)
        self._wood, self._dark = grain, (grain * 0.72).astype(np.uint8)
        self._cloth = np.full((8, 8, 3), rng.uniform(30, 120, 3), np.uint8)

    def panels(self, joints_m: np.ndarray) -> list[Panel]:
        """The same at all times."""
        half, near, far, top = self.WIDE_M / 2, self.NEAR_Y_M, self.NEAR_Y_M - self.DEPTH_M, self.TOP_M

        def panel(texture: np.ndarray, *corners: tuple[float, float, float]) -> Panel:
            return Panel(np.array(corners), texture, texture)

        return [
            panel(self._wood, (-half, near, top), (half, near, top), (half, far, top), (-half, far, top)),
            panel(self._dark, (-half, far, top), (half, far, top), (half, far, 0.04), (-half, far, 0.04)),
            *[panel(self._dark, (x, near, top), (x, far, top), (x, far, 0.0), (x, near, 0.0)) for x in (-half, half)],
            panel(self._cloth, (-0.24, 0.24, 0.98), (0.24, 0.24, 0.98), (0.24, 0.24, 0.5), (-0.24, 0.24, 0.5)),
        ]

"""The parts of feature maps that the loop will read, in place of the whole: a window around each marker in its own channel.

A marker looks only into its own channel, a few pixels about where it stands at each iteration; of who is followed it is
known beforehand where that will be, but for what the loop moves it. What was left out is NaN: a loop that reads it all the
same gives no finite numbers, and then the whole is asked for. So people are the same, to the number, as from whole maps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from refit_ros.camera.crops import Square
from refit_ros.camera.views import Camera
from refit_ros.core.feedback import MAP_STRIDE

SHARE = 0.5  # of a map's side: what it costs, and how often that is too little, is in docs/several_machines.md
# Of a window's side, one sigma of where somebody may be: beyond it the loop often reads outside, and two looks cost more
# than a whole one.
SURE = 0.1


def map_side(image_size: int) -> int:
    """px of the maps of crops of `image_size` px."""
    return image_size // MAP_STRIDE


def window_side(side: int) -> int:
    """px of windows into maps of `side` px."""
    return max(1, round(SHARE * side))


def corners_around(markers_m: np.ndarray, camera: Camera, square: Square, image_size: int) -> np.ndarray:
    """(M, 2) uint16: first column and row of the window around each of M markers (M, 3) m in the fixed frame, in the maps of
    this crop. Windows lie within the map."""
    side = map_side(image_size)
    px = camera.calibration.project_square(camera.to_camera(markers_m)) - (square.center_px - square.side_px / 2)
    middles = np.nan_to_num(px * side / square.side_px, nan=side / 2)
    window = window_side(side)
    return np.clip(np.round(middles - (window - 1) / 2), 0, side - window).astype(np.uint16)


def will_do(sigma_px: float, square: Square) -> bool:
    """Whether somebody whose markers may be `sigma_px`, in the image, from where they are expected is seen in windows."""
    return sigma_px / square.side_px < SURE * SHARE


def cut(maps: Tensor, corners: np.ndarray, window: int) -> Tensor:
    """maps (M, S, S), corners (M, 2) -> windows (M, window, window)."""
    return maps[_places(corners, window)]


def put(windows: Tensor, corners: np.ndarray, side: int) -> Tensor:
    """The inverse: (M, side, side), NaN where no window lies."""
    maps = windows.new_full((len(windows), side, side), torch.nan)
    maps[_places(corners, windows.shape[-1])] = windows
    return maps


def _places(corners: np.ndarray, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of channel, row and column, which broadcast to (M, window, window)."""
    corner, steps = torch.from_numpy(corners.astype(np.int64)), torch.arange(window)
    channel = torch.arange(len(corners))[:, None, None]
    return channel, corner[:, 1, None, None] + steps[None, :, None], corner[:, 0, None, None] + steps[None, None, :]

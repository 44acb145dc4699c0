"""Whatever a program calls an image, as (H, W, 3) uint8 RGB."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np


def rgb_image(image: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB from a file's path, an array (H, W), (H, W, 3) or (H, W, 4), or what numpy makes one of.

    Arrays are taken to be RGB: OpenCV's are BGR and need `image[..., ::-1]`. Raises FileNotFoundError or ValueError.
    """
    if isinstance(image, (str, os.PathLike)):
        return _read(os.fspath(image))
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise ValueError(f"an image holds {array.dtype}, expected uint8 (0 .. 255)")
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or 0 in array.shape:
        raise ValueError(f"an image has shape {array.shape}, expected (height, width, 3)")
    return np.ascontiguousarray(array[:, :, :3])


def _read(path: str) -> np.ndarray:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no image '{path}'")
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"'{path}' cannot be read as an image")
    return np.ascontiguousarray(image[..., ::-1])

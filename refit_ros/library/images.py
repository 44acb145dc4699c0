"""Whatever a program calls an image, as (H, W, 3) uint8 RGB."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from refit_ros.camera.image_bytes import read_image_file
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown


def rgb_image(image: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB from a file's path, an image of Pillow, a tensor, an array (H, W), (H, W, 3) or (H, W, 4), or
    what numpy makes one of.

    Arrays are taken to be RGB: OpenCV's are BGR and need `image[..., ::-1]`. Raises FileNotFoundError or ValueError.
    """
    if isinstance(image, (str, os.PathLike)):
        return _read(os.fspath(image))
    if image is None:
        raise ValueError("there is no image (None, which OpenCV gives where a file or a video's frame cannot be read)")
    array = _array(image)
    if array.dtype != np.uint8:
        raise ValueError(f"an image holds {array.dtype}, expected uint8 (0 .. 255)")
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or 0 in array.shape:
        raise ValueError(f"an image has shape {array.shape}, expected (height, width, 3)")
    return np.ascontiguousarray(array[:, :, :3])


def _array(image: Any) -> np.ndarray:
    """Raises ValueError with a sentence where there is none in it."""
    if hasattr(image, "getbands") and hasattr(image, "convert"):
        return _of_pillow(image)
    try:
        return np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    except (TypeError, RuntimeError, NotImplementedError) as error:  # of a tensor without numbers, or of a kind of its own
        raise ValueError(f"{type(image).__name__} holds no image: {str(error).splitlines()[0]}") from None


def _of_pillow(image: Any) -> np.ndarray:
    """In colours, whatever it holds (numpy would get the indices of a palette, or inks), and turned as the same file is."""
    from PIL import ImageOps

    if image.mode.startswith(("I", "F")):
        return np.asarray(image)
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _read(path: str) -> np.ndarray:
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no image '{path}'")
    try:
        return read_image_file(path).image
    except InputError as error:
        raise ValueError(f"'{shown(path)}' cannot be read as an image: {error}") from None

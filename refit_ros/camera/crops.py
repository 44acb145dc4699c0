"""Square crops of people, cut out of raw images through the square-pixel pinhole.

On a plain pinhole a crop is the published one: edges at whole pixels, black outside the image, blurred where it
shrinks, bilinear.
A lens with distortion or two focal lengths is undone in the same one resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch

from refit_ros.camera.calibration import Calibration
from refit_ros.core.camera import IMAGENET_MEAN, IMAGENET_STD
from refit_ros.core.image_crops import ImageCrops
from refit_ros.core.types import Crops

BOX_MARGIN = 1.2  # side of a crop over the longer side of its box, as published
SMALLEST_SIDE_PX = 8.0  # a box below this shows nothing of a person
QUICK_FROM = 2.5  # beyond this reduction, average whole pixels first
LENS_STEP = 8  # samples between those at which a lens is computed exactly

MEAN = np.array(IMAGENET_MEAN, np.float32)
DEVIATION = np.array(IMAGENET_STD, np.float32)
_SCALE, _SHIFT = (torch.from_numpy(values)[:, None, None] for values in (1 / (255 * DEVIATION), MEAN / DEVIATION))


@dataclass(frozen=True)
class Square:
    """Where a crop lies in the square-pixel pinhole's image."""

    center_px: np.ndarray  # (2,)
    side_px: float


def square_around(box_xyxy_px: np.ndarray, margin: float = BOX_MARGIN) -> Square:
    """The crop for a box (4,) of the square-pixel image, moved to whole pixels so that image and geometry agree."""
    box = np.asarray(box_xyxy_px, np.float64)
    center = (box[:2] + box[2:]) / 2
    return square_at(center, margin * float((box[2:] - box[:2]).max()))


def square_at(center_px: np.ndarray, side_px: float) -> Square:
    """The square nearest to the one asked for whose edges are whole pixels."""
    side = max(float(np.round(side_px)), SMALLEST_SIDE_PX)
    corner = np.round(np.asarray(center_px, np.float64) - side / 2)
    return Square(corner + side / 2, side)


def box_in_square_pixels(box_xyxy_px: np.ndarray, calibration: Calibration) -> np.ndarray:
    """(4,) box around what a raw image's box shows, in the square-pixel image."""
    return _box_through(box_xyxy_px, calibration, calibration.square_from_raw_px)


def box_in_raw_pixels(box_xyxy_px: np.ndarray, calibration: Calibration) -> np.ndarray:
    """(4,) box around what a square-pixel image's box shows, in the raw image."""
    return _box_through(box_xyxy_px, calibration, calibration.raw_from_square_px)


def _box_through(box: np.ndarray, calibration: Calibration, convert) -> np.ndarray:
    box = np.asarray(box, np.float64)
    if calibration.is_plain:
        return box
    t = np.linspace(0, 1, 7)[:, None]
    (left, top), (right, bottom) = box[:2], box[2:]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    border = np.concatenate([corners[i] + t * (corners[(i + 1) % 4] - corners[i]) for i in range(4)])
    moved = convert(border)
    return np.concatenate([moved.min(0), moved.max(0)])


def cut(image: np.ndarray, calibration: Calibration, square: Square, size: int) -> np.ndarray:
    """(size, size, 3) uint8: what `square` shows of a raw image (H, W, 3) uint8."""
    half = square.side_px / 2
    # The published crops end at whole pixels, each edge rounded towards zero.
    left, top, right, bottom = (int(v) for v in np.concatenate([square.center_px - half, square.center_px + half]))
    height, width = image.shape[:2]
    # A huge square holds next to nothing: it is sampled rather than laid out in memory.
    if not calibration.is_plain or max(right - left, bottom - top) > 4 * max(height, width):
        return _cut_through_lens(image, calibration, square, size)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x0 >= x1 or y0 >= y1:
        return np.zeros((size, size, 3), np.uint8)
    patch = image[y0:y1, x0:x1]
    if patch.shape[:2] != (bottom - top, right - left):
        patch = cv2.copyMakeBorder(patch, y0 - top, bottom - y1, x0 - left, right - x1, cv2.BORDER_CONSTANT)
    return _shrink(patch, size)


def _shrink(patch: np.ndarray, size: int) -> np.ndarray:
    """Blurred before it is sampled, as the published crops are: a Gaussian of (scale - 1) / 2 px."""
    factor = int(max(patch.shape[:2]) / size / QUICK_FROM)
    if factor > 1:  # most of a big reduction by plain averaging, which costs next to nothing
        patch = cv2.resize(patch, (patch.shape[1] // factor, patch.shape[0] // factor), interpolation=cv2.INTER_AREA)
    sigma = [max(0.0, (length / size - 1) / 2) for length in patch.shape[:2]]
    if max(sigma) > 0.05:
        radius = int(4 * max(sigma) + 0.5)
        patch = cv2.GaussianBlur(
            patch,
            (2 * radius + 1,) * 2,
            sigmaX=max(sigma[1], 1e-3),
            sigmaY=max(sigma[0], 1e-3),
            borderType=cv2.BORDER_CONSTANT,
        )
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_LINEAR)


def _cut_through_lens(image: np.ndarray, calibration: Calibration, square: Square, size: int) -> np.ndarray:
    # Sampled at about the image's own resolution, then shrunk like any other patch.
    samples = int(np.clip(square.side_px, size, 4 * size))
    raw = _raw_px(calibration, square, samples)
    patch = cv2.remap(
        image,
        np.ascontiguousarray(raw[..., 0]),
        np.ascontiguousarray(raw[..., 1]),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return _shrink(patch, size)


def _raw_px(calibration: Calibration, square: Square, samples: int) -> np.ndarray:
    """(samples, samples, 2) float32: where in the raw image lies what a square shows. A lens is smooth, and its polynomials
    take their time: between every LENS_STEP-th sample it is taken for straight."""
    places = np.arange(-1, -(-samples // LENS_STEP) + 1) * LENS_STEP + LENS_STEP / 2  # the middles of cells, one beyond
    line = places * (square.side_px / samples) - 0.5 - square.side_px / 2
    x, y = np.meshgrid(line + square.center_px[0], line + square.center_px[1])
    coarse = calibration.raw_from_square_px(np.stack([x, y], -1)).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=LENS_STEP, fy=LENS_STEP, interpolation=cv2.INTER_LINEAR)
    return fine[LENS_STEP : LENS_STEP + samples, LENS_STEP : LENS_STEP + samples]


def normalised(images: np.ndarray) -> torch.Tensor:
    """(B, S, S, 3) uint8 RGB to (B, 3, S, S) float32 with ImageNet's mean and deviation removed."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return pixels.mul_(_SCALE).sub_(_SHIFT)


@lru_cache(maxsize=4)
def _cutter(size: int, device: str) -> ImageCrops:
    return ImageCrops(size, device)


def cut_all(
    images: list[np.ndarray],
    calibrations: list[Calibration],
    squares: list[Square],
    size: int,
    device: torch.device | str = "cpu",
) -> Crops:
    """One batch of crops of size x size px, crop i from images[i]; images (H, W, 3) uint8 RGB. At least one."""
    cut_out = images_of_all(images, calibrations, squares, size, device)
    return replace(without_images(calibrations, squares, device), images=cut_out)


def images_of_all(
    images: list[np.ndarray],
    calibrations: list[Calibration],
    squares: list[Square],
    size: int,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """The images alone (B, 3, S, S) of `cut_all`.

    On a GPU they are cut there, unless a lens has to be undone: an image is then sent once, as bytes.
    """
    if torch.device(device).type == "cuda" and all(calibration.is_plain for calibration in calibrations):
        patches = _cutter(size, str(device)).cut_from_all(
            images, np.stack([s.center_px for s in squares]), np.array([s.side_px for s in squares])
        )
    else:
        patches = normalised(np.stack([cut(i, c, s, size) for i, c, s in zip(images, calibrations, squares)]))
    return patches.to(device)


def without_images(
    calibrations: Sequence[Calibration], squares: Sequence[Square], device: torch.device | str = "cpu"
) -> Crops:
    """Where crops lie, of images that are elsewhere."""

    def batch(values) -> torch.Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(device)

    return Crops(
        images=torch.zeros(len(squares), 3, 0, 0, device=device),
        center_px=batch([s.center_px for s in squares]),
        side_px=batch([s.side_px for s in squares]),
        focal_px=batch([c.focal_px for c in calibrations]),
        principal_px=batch([c.principal_px for c in calibrations]),
    )

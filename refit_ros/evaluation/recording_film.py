"""A recording as a short film (GIF): what all its cameras see, side by side, with the people drawn over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.plain_files import whole_file
from refit_ros.estimation.overlay import draw_overlay
from refit_ros.evaluation.recording_suite import read_recording

HEIGHT_PX = 320  # of the film
COLORS = 96  # of its palette, and no dithering: noise does not compress
SLOWER = 2.0  # than life, so that a second or two of somebody can be looked at
SHORTEST_MS = 20  # of an image: browsers show what is shorter slowly


def film_recording(
    path: Path, folder: Path, estimator, body: Body, every: int, say: Callable[[str], None] = lambda _: None
) -> int:
    """Play all cameras together, one frame in `every`, and write the film; gives how many images it has.

    Raises InputError with a sentence where the folder cannot be used, ImportError where Pillow is missing.
    """
    _pillow()
    filmed = read_recording(folder, every, say)
    images = []
    for number in filmed.numbers:
        views = [
            View(
                filmed.images[camera.calibration.name][number],
                camera.calibration,
                number / filmed.rate_hz,
                camera.world_from_camera,
            )
            for camera in filmed.cameras
        ]
        people = estimator.estimate(views).people
        images.append(_side_by_side([_drawn(view, people, body) for view in views]))
    write_gif(path, images, max(SHORTEST_MS, round(1000 * SLOWER * every / filmed.rate_hz)))
    height, width = images[0].shape[:2]
    say(f"{path}: {len(images)} images of {width} x {height} px, {path.stat().st_size / 1000:.0f} kB")
    return len(images)


def _drawn(view: View, people: Sequence, body: Body) -> np.ndarray:
    image = draw_overlay(view.image, view.calibration, np.linalg.inv(view.fixed_from_camera), people, body)
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, round(width * HEIGHT_PX / height)), HEIGHT_PX), interpolation=cv2.INTER_AREA)


def _side_by_side(images: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(images, axis=1)


def write_gif(path: Path, images: Sequence[np.ndarray], each_ms: int) -> None:
    """images: (H, W, 3) uint8 RGB, of one size. All have one palette, so that what stands still does not flicker."""
    pillow = _pillow()
    some = np.concatenate(images[:: max(1, len(images) // 4)], axis=0)
    palette = pillow.fromarray(some).quantize(COLORS, dither=pillow.Dither.NONE)
    first, *others = [pillow.fromarray(image).quantize(palette=palette, dither=pillow.Dither.NONE) for image in images]
    with whole_file(path) as file:
        first.save(file, format="GIF", save_all=True, append_images=others, duration=each_ms, loop=0, optimize=True)


def _pillow():
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("films are written by Pillow, which is not installed: pip install pillow") from None
    return Image

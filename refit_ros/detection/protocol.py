"""What every detector gives, and how its boxes are cleaned before anybody uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import area, clipped, overlap

SMALLEST_PX = 8.0  # a box whose shorter side is below this, inside the image, shows nothing
SAME_OVERLAP = 0.65  # boxes that share more than this are one person


class Detector(Protocol):
    """Finds people in images."""

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes of people in each raw image (H, W, 3) uint8 RGB; may overlap, be many, and reach outside."""
        ...


def found_beside(detector: Detector, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray]) -> list[Boxes]:
    """Boxes in each image, where a detector may leave out those (M_i, 4) who are known: one that has `find_beside` saves
    the time to look at them again."""
    find_beside = getattr(detector, "find_beside", None)
    return detector.find(images) if find_beside is None else find_beside(images, known_px)


class FullImage:
    """The whole image is one person's box."""

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        return [Boxes(np.array([[0.0, 0.0, image.shape[1], image.shape[0]]]), np.ones(1)) for image in images]


def nobody() -> Boxes:
    return Boxes(np.zeros((0, 4)), np.zeros(0))


def cleaned(boxes: Boxes, width_px: int, height_px: int, least_confidence: float, most: int) -> tuple[Boxes, int]:
    """Boxes fit for use, the most certain first, and how many were dropped.

    Dropped: NaN and infinite ones, those without area inside the image, uncertain ones (these are not counted),
    doubles, and all beyond `most`.
    """
    xyxy = np.asarray(boxes.xyxy_px, np.float64).reshape(-1, 4)
    confidence = np.asarray(boxes.confidence, np.float64).reshape(-1)
    if len(confidence) != len(xyxy):
        confidence = np.ones(len(xyxy))
    sound = np.isfinite(xyxy).all(1) & np.isfinite(confidence)
    inside = clipped(np.where(sound[:, None], xyxy, 0.0), width_px, height_px)
    sound &= (inside[:, 2:] - inside[:, :2]).min(1) >= SMALLEST_PX if len(inside) else sound
    dropped = int((~sound).sum())
    sound &= confidence >= least_confidence
    inside, confidence = inside[sound], np.clip(confidence[sound], 0.0, 1.0)
    order = np.argsort(-confidence, kind="stable")
    # Suppressing doubles is quadratic: only ever looked at for the most certain few hundred.
    considered = order[:300]
    kept = _without_doubles(inside[considered])[:most]
    dropped += len(order) - len(kept)
    chosen = considered[kept]
    return Boxes(inside[chosen], confidence[chosen]), dropped


def _without_doubles(boxes: np.ndarray) -> np.ndarray:
    """Indices of boxes (N, 4), best first, that no better one covers (greedy non-maximum suppression)."""
    if not len(boxes):
        return np.zeros(0, int)
    shared = overlap(boxes, boxes)
    alive = area(boxes) > 0
    kept = []
    for index in range(len(boxes)):
        if alive[index]:
            kept.append(index)
            alive &= shared[index] <= SAME_OVERLAP
    return np.array(kept, int)

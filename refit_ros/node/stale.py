"""The last overlay of a camera that has gone, marked as such: it would stand in RViz as if it were live."""

from __future__ import annotations

import cv2
import numpy as np

DIM = 0.35  # of its brightness that is left
TEXT = "NO LIVE IMAGE"
TEXT_WIDTH = 0.6  # of the image's


def marked_stale(overlay: np.ndarray) -> np.ndarray:
    """A copy of an overlay (H, W, 3) uint8 RGB, dark, with words across it."""
    drawn = np.ascontiguousarray(overlay * DIM, np.uint8)
    height_px, width_px = drawn.shape[:2]
    (wide, tall), _ = cv2.getTextSize(TEXT, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = TEXT_WIDTH * width_px / wide
    at = int(width_px * (1 - TEXT_WIDTH) / 2), int((height_px + tall * scale) / 2)
    cv2.putText(drawn, TEXT, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), max(1, round(2 * scale)), cv2.LINE_AA)
    return drawn

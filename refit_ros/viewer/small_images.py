"""Images as a frustum shows them."""

from __future__ import annotations

import cv2
import numpy as np

IMAGE_WIDTH_PX, IMAGE_PERIOD_S = 320, 0.2  # more of neither is seen


def small(image: np.ndarray) -> np.ndarray:
    """As wide as is seen in a frustum."""
    height = max(1, round(image.shape[0] * IMAGE_WIDTH_PX / image.shape[1]))
    if image.shape[1] > IMAGE_WIDTH_PX:
        image = cv2.resize(image, (IMAGE_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)

"""Boxes in one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Boxes:
    """N boxes in one image, as a detector gives them."""

    xyxy_px: np.ndarray  # (N, 4) float: left, top, right, bottom in the raw image
    confidence: np.ndarray  # (N,) 0 .. 1

"""A camera as CameraInfo describes it: intrinsics, distortion, the picture's size."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Intrinsics of one camera, for the picture as it arrives (ROI and binning already applied to K)."""
    name: str
    frame_id: str                    # optical frame, REP 103: x right, y down, z forward
    width_px: int
    height_px: int
    K: np.ndarray                    # (3, 3)
    distortion_model: str = "plumb_bob"  # plumb_bob, rational_polynomial, equidistant
    D: np.ndarray = None             # (0, 4, 5, 8, 12 or 14); None or empty: no distortion

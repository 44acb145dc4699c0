"""A known height fixes the metric scale that a single camera cannot see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ROUNDS = 4
STEP = 0.05


def with_height(betas: np.ndarray, height_m: float, measure: Callable[[np.ndarray], float]) -> np.ndarray:
    """The shape nearest to `betas` (10,) whose standing height, measure(betas) in m, is `height_m`.

    Newton's method along the gradient of the height, which is nearly linear in the shape.
    """
    betas = np.array(betas, float)
    for _ in range(ROUNDS):
        missing = height_m - measure(betas)
        if abs(missing) < 1e-4:
            break
        gradient = np.array(
            [(measure(betas + STEP * axis) - measure(betas - STEP * axis)) / (2 * STEP) for axis in np.eye(10)]
        )
        betas = betas + gradient * missing / max(float(gradient @ gradient), 1e-12)
    return betas

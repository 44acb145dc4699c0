"""Which body in one camera is whose: a global assignment with a way out for everybody who is not seen.

Taking a body costs the surprise at where it lies, less log P; not being seen costs -log(1 - P), and the logarithm of how
much denser measurements lie where somebody is than elsewhere: beyond that surprise a body is somebody else's. P is the
chance that there is somebody (Musicki and Evans, IEEE T-AES 2004) and that they are seen. A body is given once. Global
nearest neighbour (Blackman and Popoli, Design and Analysis of Modern Tracking Systems, 1999, ch. 6), not JPDA, which pulls
people who cross together.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from refit_ros.tracking.measurement import surprise

LEAST, MOST = 0.02, 0.98  # probabilities of being seen are kept within these: nothing is certain


def assign(squared: np.ndarray, seen: np.ndarray, density: float, dimensions: int) -> dict[int, int]:
    """{row: column}: squared distances (N, M) of N people from M bodies in one camera, `seen` (N,) the probability of each.

    `density`: the logarithm above.

    Somebody left out of the answer was missed; a column left out is nobody's of these.
    """
    count, bodies = squared.shape
    if not count or not bodies:
        return {}
    seen = np.clip(seen, LEAST, MOST)
    taken = np.vectorize(lambda value: surprise(value, dimensions))(squared) - np.log(seen)[:, None]
    missed = density - np.log1p(-seen)
    table = np.full((count, bodies + count), 1e6)
    table[:, :bodies] = taken
    table[np.arange(count), bodies + np.arange(count)] = missed
    rows, columns = linear_sum_assignment(table)
    return {int(row): int(column) for row, column in zip(rows, columns) if column < bodies}

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

from refit_ros.tracking.measurement import surprises

UNTHINKABLE = 1e6  # a cost that is never paid
LEAST, MOST = 0.02, 0.98  # probabilities of being seen are kept within these: nothing is certain


def assign(squared: np.ndarray, seen: np.ndarray, density: float, dimensions: int) -> dict[int, int]:
    """{row: column}: squared distances (N, M) of N people from M bodies in one camera, `seen` (N,) the probability of each.

    `density`: the logarithm above.

    Somebody left out of the answer was missed; a column left out is nobody's of these.
    """
    count, bodies = squared.shape
    if not count or not bodies:
        return {}
    rows, columns = linear_sum_assignment(_costs(squared, seen, density, dimensions))
    return {int(row): int(column) for row, column in zip(rows, columns) if column < bodies}


def margins(squared: np.ndarray, seen: np.ndarray, density: float, dimensions: int) -> np.ndarray:
    """(N,) >= 0: how much dearer everything would be if somebody were not given what `assign` gives them.

    Near 0 where two people could as well be exchanged.
    """
    count, bodies = squared.shape
    if not count or not bodies:
        return np.zeros(count)
    table = _costs(squared, seen, density, dimensions)
    rows, columns = linear_sum_assignment(table)
    best, dearer = table[rows, columns].sum(), np.zeros(count)
    for row, column in zip(rows, columns):
        other = table.copy()
        other[row, column] = UNTHINKABLE
        dearer[row] = other[linear_sum_assignment(other)].sum() - best
    return dearer


def _costs(squared: np.ndarray, seen: np.ndarray, density: float, dimensions: int) -> np.ndarray:
    """(N, M + N): of taking each body, and of each being missed."""
    count, bodies = squared.shape
    seen = np.clip(seen, LEAST, MOST)
    taken = surprises(squared, dimensions) - np.log(seen)[:, None]
    missed = density - np.log1p(-seen)
    table = np.full((count, bodies + count), UNTHINKABLE)
    table[:, :bodies] = taken
    table[np.arange(count), bodies + np.arange(count)] = missed
    return table

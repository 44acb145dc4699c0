"""Which landmarks of a head a camera cannot see because the head itself hides them.

A landmark network tells nose and eyes of the back of a head as surely as of a face, some centimetres off and always to the
same side, which no robust weight finds: all of them agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EARS = ("left_ear", "right_ear")
_OF_THE_FACE = ("nose", "eye", "mouth")


def of_the_head(names: Sequence[str]) -> np.ndarray:
    """Indices of the head's landmarks; none where ears are not among `names`, without which its middle is unknown."""
    if not set(EARS) <= set(names):
        return np.zeros(0, int)
    return np.array([i for i, name in enumerate(names) if name in EARS or any(part in name for part in _OF_THE_FACE)])


def hidden(points_m: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(K,) bool: what lies on the far side of the head, taken as a ball about the middle between the ears.

    points_m (K, 3): a person's landmarks `names` in the camera's frame.
    """
    result = np.zeros(len(points_m), bool)
    head = of_the_head(names)
    if len(head):
        middle = points_m[[names.index(name) for name in EARS]].mean(0)
        result[head] = (points_m[head] - middle) @ middle > 0
    return result

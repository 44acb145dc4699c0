"""Which estimate is of which true person, set by set, and what the ids make of it over time.

As CLEAR MOT does (Bernardin and Stiefelhagen, EURASIP JIVP 2008): whoever was taken for a person stays theirs while near
enough, the rest are assigned so that the distances are smallest. IDF1 (Ristani et al., ECCV Workshops 2016) gives each
person one id over the whole time, the best one. Everything is counted in person-seconds, so that rates can be compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

SAME_PERSON_M = 1.0  # an estimate farther than this from a true person (mean over the joints) is not of them
_NEVER = 1e6


def distances_m(estimates: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """(N, M): mean distance over the joints of N estimated and M true people, each (24, 3) m of one frame."""
    if not len(estimates) or not len(truth):
        return np.zeros((len(estimates), len(truth)))
    return np.linalg.norm(np.stack(estimates)[:, None] - np.stack(truth)[None], axis=-1).mean(-1)


def match(distance_m: np.ndarray, kept: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Pairs (estimate, true person) within SAME_PERSON_M; `kept` pairs are not up for change."""
    distance_m = np.where(distance_m <= SAME_PERSON_M, distance_m, _NEVER)
    for row, column in kept:
        distance_m[row], distance_m[:, column] = _NEVER, _NEVER
    rows, columns = linear_sum_assignment(distance_m)
    new = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if distance_m[r, c] < _NEVER]
    return sorted([*kept, *new])


class Identities:
    """Takes one set of estimates and true people after the other, in the order of time."""

    def __init__(self) -> None:
        self.switches = 0  # times a true person's estimate had another id than the time before
        self.extra_s = 0.0  # person-seconds of estimates of nobody
        self.missed_s = 0.0  # person-seconds of people in view without an estimate
        self.true_s = 0.0  # person-seconds of people in view
        self._estimated_s = 0.0
        self._last: dict[Hashable, Hashable] = {}  # true id -> estimate's id
        self._together_s: dict[tuple[Hashable, Hashable], float] = {}  # (true id, estimate's id)

    def step(
        self,
        ids: Sequence[Hashable],
        joints_m: Sequence[np.ndarray],
        true_ids: Sequence[Hashable],
        true_joints_m: Sequence[np.ndarray],
        in_view: Sequence[bool],
        seconds: float,
    ) -> list[tuple[int, int]]:
        """Pairs (estimate, true person), as positions. `seconds`: for how long this set stands.

        Somebody out of view is neither missed, nor is an estimate of them one of nobody.
        """
        distance_m = distances_m(joints_m, true_joints_m)
        near = distance_m <= SAME_PERSON_M
        kept = []
        for column, true_id in enumerate(true_ids):
            rows = [row for row, one in enumerate(ids) if one == self._last.get(true_id) and near[row, column]]
            kept += [(row, column) for row in rows[:1] if row not in [other for other, _ in kept]]
        pairs = match(distance_m, kept)
        for row, column in pairs:
            self.switches += self._last.get(true_ids[column], ids[row]) != ids[row]
            self._last[true_ids[column]] = ids[row]
        paired = {column for _, column in pairs}
        ignored = {row for row, column in pairs if not in_view[column]}
        self.extra_s += seconds * (len(ids) - len(pairs))
        self.missed_s += seconds * sum(seen and column not in paired for column, seen in enumerate(in_view))
        self.true_s += seconds * sum(map(bool, in_view))
        self._estimated_s += seconds * (len(ids) - len(ignored))
        for row, column in np.argwhere(near):
            if in_view[column] and row not in ignored:
                pair = true_ids[column], ids[row]
                self._together_s[pair] = self._together_s.get(pair, 0.0) + seconds
        return pairs

    @property
    def idf1(self) -> float:
        """0 .. 1; NaN before there was anybody."""
        true_ids, ids = (sorted({pair[k] for pair in self._together_s}, key=str) for k in (0, 1))
        shared_s = np.array([[self._together_s.get((true, one), 0.0) for one in ids] for true in true_ids])
        right_s = shared_s[linear_sum_assignment(-shared_s)].sum() if shared_s.size else 0.0
        everybody_s = self.true_s + self._estimated_s
        return float(2 * right_s / everybody_s) if everybody_s else float("nan")

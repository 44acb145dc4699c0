"""Holding a latency budget by the number of iterations."""

from __future__ import annotations

import math

MEMORY = 0.2  # share of the newest measurement in the running averages
MARGIN = 0.9  # of the budget that is planned for; the rest is for whatever comes between


class Budget:
    """Learns what one iteration costs and what the rest of a set costs, and says how many iterations fit.

    With budget_ms 0 the count wished for is always granted.
    """

    def __init__(self, budget_ms: float) -> None:
        self._budget_s = budget_ms / 1000
        self._learned_s: tuple[float, float] | None = None  # of one iteration, of the rest of a set

    def iterations(self, wished: int) -> int:
        """At most `wished`, at least 1."""
        if self._budget_s == 0 or self._learned_s is None:
            return wished
        each, rest = self._learned_s
        room = (MARGIN * self._budget_s - rest) / max(each, 1e-6)
        return int(min(max(math.floor(room), 1), wished))

    def spent(self, total_s: float, loop_s: float, iterations: int) -> None:
        """What the last set took in all and in the loop, with that many iterations in it."""
        if iterations <= 0:
            return
        each, rest = loop_s / iterations, max(total_s - loop_s, 0.0)
        if self._learned_s is not None:
            each, rest = ((1 - MEMORY) * old + MEMORY * new for old, new in zip(self._learned_s, (each, rest)))
        self._learned_s = each, rest

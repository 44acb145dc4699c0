"""When the next set of images should be taken: cameras go by even intervals, and only their stamps jitter.

Whoever is on time is taken to have come when they were expected, so that what will be asked of the next images follows from
what is known before they are taken: it can be told to eyes that are on another machine.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

JITTER_S = 0.003  # somebody who walks goes 5 mm meanwhile
STEPS = 5  # the last ones, whose median is the interval
STEADY = 3  # sets on time, one after the other: then the next one will probably be so too


class StampGrid:
    """The stamps of the sets, one after the other, never falling."""

    def __init__(self) -> None:
        self._last_s, self._on_time_s = -math.inf, -math.inf
        self._steps_s: deque[float] = deque(maxlen=STEPS)
        self._on_time: deque[bool] = deque(maxlen=STEADY)

    @property
    def next_s(self) -> float | None:
        """When the next one should be taken; None where that is not known."""
        return self._on_time_s + median(self._steps_s) if self._steps_s else None

    @property
    def is_steady(self) -> bool:
        """Whether the next one can be relied on: what is asked ahead in vain is sent for nothing."""
        return len(self._on_time) == STEADY and all(self._on_time)

    def taken(self, stamp_s: float) -> tuple[float, float]:
        """The time that stood for the last one (minus infinity: there was none), and the one that stands for this one."""
        before_s, expected_s = self._on_time_s, self.next_s
        if expected_s is None or abs(stamp_s - expected_s) > JITTER_S:
            self._on_time.append(False)
            expected_s = stamp_s
        else:
            self._on_time.append(True)
        self._on_time_s = max(before_s, expected_s)
        if math.isfinite(self._last_s) and stamp_s > self._last_s:
            self._steps_s.append(stamp_s - self._last_s)
        self._last_s = stamp_s
        return before_s, self._on_time_s

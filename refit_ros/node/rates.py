"""How often and how late: counters that the diagnostics read."""
from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable

WINDOW = 150  # sets that a percentile looks back over


class Rate:
    """Events per second since the last look, on a steady clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._seen, self._since_s = 0, now_s()

    def of(self, total: int) -> float:
        """Hz, given the number of events up to now."""
        now_s = self._now_s()
        elapsed_s = max(now_s - self._since_s, 1e-9)
        rate = (total - self._seen) / elapsed_s
        self._seen, self._since_s = total, now_s
        return rate


class Percentiles:
    """Of the last values; written by one thread, read by another."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        with self._lock:
            self._values.append(value)

    def at(self, *shares: float) -> list[float] | None:
        """The values below which these shares (0 .. 1) of them lie; None before the first."""
        with self._lock:
            values = sorted(self._values)
        return [values[min(int(share * len(values)), len(values) - 1)] for share in shares] if values else None

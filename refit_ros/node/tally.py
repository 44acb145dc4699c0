"""How often, how late, how many: what the pipeline counts and the diagnostics read."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass
class Tally:
    """What the pipeline has done so far; it writes, the diagnostics read."""

    sets: int = 0
    images: int = 0  # in all sets together
    people: int = 0  # in the last set
    iterations: int = 0  # in the last set
    detector_calls: int = 0
    boxes_dropped: int = 0
    nonfinite_dropped: int = 0  # people who were not published because a number was none
    failed: int = 0  # sets that ended in an exception
    newest_stamp_ns: int = 0
    moved_cameras: tuple[str, ...] = ()
    doubt: str = ""  # a sentence where the cameras cannot stand or see as they say
    left_out: dict[str, str] = field(default_factory=dict)  # cameras whose last image was of no use -> why
    latency_ms: Percentiles = field(default_factory=Percentiles)
    compute_ms: Percentiles = field(default_factory=Percentiles)

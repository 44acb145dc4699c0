"""What was turned away, why, and how often; and when it is time to say so."""
from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

WARN_INTERVAL_S = 1.0


class Rejected(ValueError):
    """A message that cannot be used. `reason` groups those of one kind, the text says what is wrong with this one."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Rejections:
    """Counts by source (a camera's name, or "") and reason; warns of each pair at most once a second, on a steady clock.

    Safe to use from several threads.
    """

    def __init__(self, warn: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._warn, self._now_s = warn, now_s
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._warned_s: dict[tuple[str, str], float] = {}

    def add(self, source: str, reason: str, sentence: str) -> None:
        """Count one, and warn unless the same kind was warned of within the last second."""
        key, now_s = (source, reason), self._now_s()
        with self._lock:
            self._counts[key] += 1
            count = self._counts[key]
            silent = now_s - self._warned_s.get(key, -float("inf")) < WARN_INTERVAL_S
            if not silent:
                self._warned_s[key] = now_s
        if not silent:
            where = f"{source}: " if source else ""
            self._warn(f"{where}{sentence} ({reason}: {count} so far)")

    def of(self, source: str) -> dict[str, int]:
        """How often each reason occurred for one source."""
        with self._lock:
            return {reason: count for (name, reason), count in self._counts.items() if name == source}

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self._counts.values())

"""What was turned away, why, and how often; and when it is time to say so."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from refit_ros.node.logged import shortened, shortened_trace

WARN_INTERVAL_S = 1.0  # between two warnings of one kind, for the first few ...
OFTEN, SELDOM_S = 5, 15.0  # ... and after so many of them
BURST, A_SECOND = 12.0, 0.5  # warnings of all kinds together: at once, and for good


class Rejected(ValueError):
    """A message that cannot be used. `reason` groups those of one kind, the text says what is wrong with this one."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Rejections:
    """Counts by source (a camera's name, or "") and reason, and warns, on a steady clock: of each pair at most once a second
    and, if it does not end, seldom; of all of them together no more than a log can bear.

    Safe to use from several threads.
    """

    def __init__(self, warn: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._warn, self._now_s = warn, now_s
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._warned: Counter[tuple[str, str]] = Counter()
        self._warned_s: dict[tuple[str, str], float] = {}
        self._traced: set[str] = set()
        self._once: set[tuple[str, str]] = set()
        self._room, self._room_s = BURST, now_s()

    def add(self, source: str, reason: str, sentence: str, trace: str = "") -> None:
        """Count one, and warn if it is time. The trace is said with the first of its reason."""
        key, now_s = (source, reason), self._now_s()
        with self._lock:
            self._counts[key] += 1
            count = self._counts[key]
            said = self._may_warn(key, now_s)
            shown = said and trace and reason not in self._traced
            if shown:
                self._traced.add(reason)
        if said:
            where = f"{source}: " if source else ""
            more = f"\n{shortened_trace(trace)}" if shown else ""
            self._warn(f"{where}{shortened(sentence)} ({reason}: {count} so far){more}")

    def say_once(self, source: str, what: str, sentence: str) -> None:
        """Something worth knowing that is nobody's fault: not counted, said once for each source and kind."""
        with self._lock:
            if (source, what) in self._once:
                return
            self._once.add((source, what))
        self._warn(f"{source}: {shortened(sentence)}" if source else shortened(sentence))

    def of(self, source: str) -> dict[str, int]:
        """How often each reason occurred for one source."""
        with self._lock:
            return {reason: count for (name, reason), count in self._counts.items() if name == source}

    @property
    def total(self) -> int:
        with self._lock:
            return sum(self._counts.values())

    @property
    def told(self) -> str:
        """Of all sources, the commonest reason first: "no CameraInfo: 11, no stamp: 1"."""
        with self._lock:
            reasons: Counter[str] = Counter()
            for (_, reason), count in self._counts.items():
                reasons[reason] += count
        return ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())

    def _may_warn(self, key: tuple[str, str], now_s: float) -> bool:
        interval_s = WARN_INTERVAL_S if self._warned[key] < OFTEN else SELDOM_S
        if now_s - self._warned_s.get(key, -float("inf")) < interval_s:
            return False
        self._room = min(BURST, self._room + A_SECOND * (now_s - self._room_s))
        self._room_s = now_s
        if self._room < 1:
            return False
        self._room -= 1
        self._warned[key] += 1
        self._warned_s[key] = now_s
        return True

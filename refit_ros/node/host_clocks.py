"""How far the clocks of the edges' hosts lie off this one's: from questions and answers, as NTP does it (RFC 5905, 8)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

REMEMBERED = 30  # answers; the one that was quickest on the way tells most


@dataclass(frozen=True)
class Offset:
    """Of a host's clock: ahead where positive. It is known to within `unsure_s`."""

    ahead_s: float
    unsure_s: float

    def beyond(self, limit_s: float) -> bool:
        """Whether it certainly lies farther off than that."""
        return abs(self.ahead_s) - self.unsure_s > limit_s


class HostClocks:
    """By camera. Times are ns: asked and came by this host's clock, received and sent by the other's."""

    def __init__(self) -> None:
        self._answers: dict[str, deque[tuple[int, int]]] = {}

    def add(self, camera: str, asked: int, received: int, sent: int, came: int) -> None:
        """A question was sent at `asked` and its answer came at `came`. Impossible ones are left out."""
        on_the_way = (came - asked) - (sent - received)
        if on_the_way < 0 or sent < received or came < asked:
            return
        ahead = ((received - asked) + (sent - came)) // 2
        self._answers.setdefault(camera, deque(maxlen=REMEMBERED)).append((on_the_way, ahead))

    def of(self, camera: str) -> Offset | None:
        """None: nothing is known yet."""
        answers = self._answers.get(camera)
        if not answers:
            return None
        on_the_way, ahead = min(answers)
        return Offset(ahead * 1e-9, on_the_way / 2 * 1e-9)

"""Of several fusion nodes one publishes: the others hear it, wait, and take over when it is silent. No ROS in here."""

from __future__ import annotations

import math

LISTEN_S = 1.0  # before the first word of one's own
SILENT_S = 1.0  # a node from which nothing was heard for so long is gone
HEARTBEAT_S = 0.1
DISCOVERY_S = 5.0  # DDS sends what a new node is told of the others' topics again after 3 s, where it was lost at first
UNHEARD = "another fusion node, whose heartbeat is not heard yet,"


class Standby:
    """`now_s` is a steady clock's; who began to publish first goes on, by the clocks of their hosts, then by name."""

    def __init__(self, name: str, now_s: float) -> None:
        self._name, self._began_s = name, now_s
        self._looked_s = now_s
        self._since_ns: int | None = None  # when this one took over; None: it waits
        self._asked_s = -math.inf  # when an edge last answered another one
        self._heard: dict[str, tuple[float, int]] = {}  # name -> when it was last heard (steady), since when it publishes

    @property
    def publishes(self) -> bool:
        return self._since_ns is not None

    def heard(self, name: str, since_ns: int, now_s: float) -> None:
        """A heartbeat of somebody who publishes."""
        if name != self._name:
            self._heard[name] = now_s, since_ns

    def look(self, now_s: float, host_ns: int, others_asked_s: float = -math.inf) -> str | None:
        """Call at least every HEARTBEAT_S. "takes over", "steps back", or None where nothing changed.

        others_asked_s: when an edge last answered another node. Who asks publishes, though no heartbeat of it arrives yet.
        """
        self._asked_s = others_asked_s
        if self.publishes and now_s - self._looked_s > SILENT_S:
            self._since_ns = host_ns  # it was suspended, and not heard: who has taken over meanwhile goes on
        self._looked_s = now_s
        others, unheard = self._others(now_s), self._is_unheard(now_s)
        if self.publishes:
            is_new = now_s - self._began_s <= DISCOVERY_S
            if (others and min(others) < (self._since_ns, self._name)) or (unheard and is_new):
                self._since_ns = None
                return "steps back"
        elif not others and not unheard and now_s - self._began_s >= LISTEN_S:
            self._since_ns = host_ns
            return "takes over"
        return None

    def other(self, now_s: float) -> str | None:
        """Who publishes in this one's place."""
        if self.publishes:
            return None
        if others := self._others(now_s):
            return min(others)[1]
        return UNHEARD if self._is_unheard(now_s) else None

    def _others(self, now_s: float) -> list[tuple[int, str]]:
        return [(since_ns, name) for name, (at_s, since_ns) in self._heard.items() if now_s - at_s <= SILENT_S]

    def _is_unheard(self, now_s: float) -> bool:
        """Whether somebody publishes whose heartbeat never came."""
        return not self._others(now_s) and now_s - self._asked_s <= SILENT_S

    def heartbeat(self) -> str:
        """What to send; "" where this one waits."""
        return f"{self._since_ns} {self._name}" if self.publishes else ""


def read_heartbeat(text: str) -> tuple[str, int] | None:
    """Name, and since when it publishes; None for what is none."""
    since, _, name = text.partition(" ")
    return (name, int(since)) if since.isdecimal() and len(since) < 20 and 0 < len(name) <= 200 else None

"""Tells a stamp that went wrong once from a clock that was set anew. No ROS and no clock in here."""

from __future__ import annotations

from collections import deque

JUMP_NS = 1_000_000_000  # what a clock may go back, or run ahead of the time that passed, without having been set anew
CONFIRM = 2  # further stamps that must lie off the known clock, in a row, before the new one is believed
REMEMBERED = 30  # arrivals that tell how late stamps arrive when nothing holds them up


class StampWatch:
    """Of one source (a camera, a TF frame), whose stamps otherwise grow about as fast as time passes, or slower.

    One stamp five years ahead is a glitch. A bag played again, a simulation reset and a clock set by NTP are not: there,
    all later stamps lie off as well. Pauses, stalls on the way, slow and fast playing are neither.
    """

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._offsets_ns: deque[int] = deque(maxlen=REMEMBERED)  # stamp minus arrival
        self._off = 0
        self.set_back = 0  # times that the clock was set back, which further stamps confirmed
        self.doubted = 0  # stamps that were not believed, in all

    def believes(self, stamp_ns: int, now_s: float) -> bool:
        """Whether to use what came with this stamp at `now_s` (steady); what is not believed should be dropped."""
        offset_ns = stamp_ns - round(now_s * 1e9)
        if self._stamp_ns is not None and self._lies_off(stamp_ns, offset_ns):
            self._off += 1
            if self._off <= CONFIRM:
                self.doubted += 1
                return False
            self._offsets_ns.clear()
            self.set_back += stamp_ns < self._stamp_ns
            self._stamp_ns = stamp_ns
        self._off = 0
        self._stamp_ns = stamp_ns if self._stamp_ns is None else max(self._stamp_ns, stamp_ns)
        self._offsets_ns.append(offset_ns)
        return True

    def _lies_off(self, stamp_ns: int, offset_ns: int) -> bool:
        back = self._stamp_ns - stamp_ns >= JUMP_NS
        ahead = stamp_ns - self._stamp_ns >= JUMP_NS and offset_ns - max(self._offsets_ns) >= JUMP_NS
        return back or ahead

"""How much of the processor other programs took meanwhile: figures of a busy machine are not those of a quiet one."""

from __future__ import annotations

import os
from pathlib import Path

BUSY_SHARE = 0.15  # of all cores; beyond it the report says that the machine was busy


def used_s(text: str, ticks_per_s: int) -> float:
    """Of `/proc/stat`: seconds of all cores together that any program has used since the machine started.

    proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guest's time is part of user's.
    """
    user, nice, system, _, _, irq, softirq, steal = map(int, text.splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / ticks_per_s


def machine_used_s() -> float | None:
    """None where there is no `/proc`."""
    try:
        return used_s(Path("/proc/stat").read_text(), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return None


def others_share(before_s: float | None, after_s: float | None, own_s: float, seconds: float) -> float | None:
    """Share of all cores that others took, between two readings of `machine_used_s` that are `seconds` apart."""
    if before_s is None or after_s is None or seconds <= 0:
        return None
    return min(max((after_s - before_s - own_s) / (seconds * (os.cpu_count() or 1)), 0.0), 1.0)

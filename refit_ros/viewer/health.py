"""How well the node does by its own word: what /diagnostics has of its pipeline and its cameras, now and lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from refit_ros.viewer.state import Plots

PLOTTED_S = 60.0
MOST_PLOTTED = 3600
OLD_AFTER_S = 3.0  # what was said so long ago says nothing of now
PIPELINE, EDGE, CAMERA = ": pipeline", ": edge", ": camera "
OWN_FIGURES = {PIPELINE: "sets computed", EDGE: "questions answered"}  # which nobody else's status of that name has
# What stands in a pipeline's figures, as (key of the diagnostics, words); of two keys the median and the 95th percentile.
FIGURES = (
    (("sets per second",), "{} sets/s"),
    (("latency p50 [ms]", "latency p95 [ms]"), "latency {} / {} ms (p50 / p95)"),
    (("computing p50 [ms]", "computing p95 [ms]"), "computing {} / {} ms"),
    (("sets replaced by newer ones",), "{} sets replaced by newer ones"),
    (("sets failed",), "{} failed"),
    (("device",), "{}"),
)

Points = deque[tuple[float, float]]  # (s, value)


@dataclass(frozen=True)
class _Part:
    said_s: float
    level: int
    text: str
    figures: str


@dataclass(frozen=True)
class CameraWord:
    """What the node says of one camera."""

    name: str
    state: str
    level: int  # diagnostic_msgs: 0 well, 1 warning, 2 error
    text: str


class Health:
    """Of one thread at a time. Times are of the clock that the caller goes by."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._latency: Points = deque(maxlen=MOST_PLOTTED)
        self._rates: dict[str, Points] = {}
        self._levels: dict[str, Points] = {}

    def take_latency(self, ms: float, now_s: float) -> None:
        self._latency.append((now_s, ms))

    def forget_latency(self) -> None:
        self._latency.clear()

    def take(self, message: Any, now_s: float) -> list[CameraWord]:
        """A DiagnosticArray. Returns what it says of cameras; of other nodes' statuses nothing is taken."""
        cameras = []
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            _, camera, name = status.name.partition(CAMERA)
            if camera and name and "state" in values:
                cameras.append(CameraWord(name, values["state"], level, status.message))
                for points, value in ((self._rates, values.get("images per second", "0")), (self._levels, level)):
                    points.setdefault(name, deque(maxlen=MOST_PLOTTED)).append((now_s, _number(value)))
                continue
            for part, key in OWN_FIGURES.items():
                if status.name.endswith(part) and key in values:
                    figures = _figures(values) if part == PIPELINE else status.message
                    self._parts[status.name] = _Part(now_s, level, status.message, figures)
        return cameras

    def figures(self, now_s: float) -> str:
        """A paragraph for each node that has told them lately."""
        told = self._lately(now_s)
        return "\n\n".join(f"{_node(name)}: {part.figures}" if len(told) > 1 else part.figures for name, part in told)

    def complaints(self, now_s: float) -> list[str]:
        """What the nodes say that is not well with them as a whole."""
        return [f"{_node(name)}: {part.text}" for name, part in self._lately(now_s) if part.level > 0]

    def plots(self, now_s: float) -> Plots:
        """The last minute."""
        rates, levels = (
            {name: lately(each, now_s) for name, each in sorted(points.items())} for points in (self._rates, self._levels)
        )
        return Plots(lately(self._latency, now_s), rates, levels)

    def _lately(self, now_s: float) -> list[tuple[str, _Part]]:
        return [(name, part) for name, part in sorted(self._parts.items()) if now_s - part.said_s <= OLD_AFTER_S]


def lately(points: Points, now_s: float) -> np.ndarray:
    """(N, 2) of the last minute, s before now."""
    table = np.array(points, float).reshape(-1, 2) - [now_s, 0.0]
    return table[table[:, 0] >= -PLOTTED_S]


def _figures(values: dict[str, str]) -> str:
    told = [words.format(*(values[key] for key in keys)) for keys, words in FIGURES if all(key in values for key in keys)]
    return ", ".join(told)


def _node(name: str) -> str:
    return name.rpartition(": ")[0]


def _number(text: str | float) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

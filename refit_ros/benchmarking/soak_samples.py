"""What is asked of a program every few seconds in a long run, and what may grow by how much before it is no longer flat."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

from refit_ros.benchmarking.soak_verdict import Bound, Verdict, judged

# Over the second half of the run.
BOUNDS = {
    "rss_mib": Bound("memory (RSS)", "MiB", 10.0),
    "threads": Bound("threads", "", 1.0),
    "files": Bound("open files", "", 2.0),
    "latency_ms": Bound("latency, median", "ms", 0.5, relative=True),
    "sets_per_s": Bound("sets answered a second", "1/s", 0.5, relative=True, falls=True),
    "log_lines_per_min": Bound("log lines a minute", "", 20.0),
}
MOST_LOG_LINES_PER_MIN = 100.0


@dataclass(frozen=True)
class Sample:
    """At one moment, or since the last one."""

    minutes: float  # since the first message
    rss_mib: float
    threads: float
    files: float
    latency_ms: float  # capture to publish, median; NaN: nothing was answered
    sets_per_s: float
    log_lines_per_min: float
    sets_in_per_s: float = 0.0
    others_share: float = 0.0  # of all cores, taken by other programs


def program_size(process: int | str = "self") -> tuple[float, int, int]:
    """RSS in MiB, threads, open files of a running program. Raises OSError where it has ended; Linux only."""
    folder = Path(f"/proc/{process}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(folder / "task")), len(os.listdir(folder / "fd"))


def column(samples: list[Sample], name: str) -> list[float]:
    return [getattr(sample, name) for sample in samples]


def verdicts(samples: list[Sample], of: tuple[str, ...] = tuple(BOUNDS)) -> dict[str, Verdict]:
    """Field of `Sample` -> verdict."""
    minutes = column(samples, "minutes")
    return {name: judged(BOUNDS[name], minutes, column(samples, name)) for name in of}


def as_rows(samples: list[Sample]) -> list[list[float]]:
    """Numbers for a file, in the order of the fields."""
    return [[round(getattr(sample, each.name), 3) for each in fields(Sample)] for sample in samples]

"""What a running program spends its processor time on: its threads' own clocks, and py-spy's samples of their stacks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import refit_ros

RATE_HZ = 200
PATIENCE_S = 20.0  # for py-spy to write its file
PACKAGE = Path(refit_ros.__file__).resolve().parent
HOW_TO_GET = "py-spy is not installed: `pip install py-spy` brings it, or `pip install '.[profile]'`"


@dataclass
class Sampled:
    """Filled when the time is over."""

    thread_s: dict[int, float] = field(default_factory=dict)  # by id: processor time used meanwhile
    thread_names: dict[int, str] = field(default_factory=dict)  # the system's
    stacks: list[tuple[int, str, list[str], int]] = field(default_factory=list)  # id, Python's name, frames, samples


def py_spy() -> str:
    """Where it is. Raises ModuleNotFoundError's sentence as a ValueError where it is not."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.is_file() else shutil.which("py-spy")
    if not found:
        raise ValueError(HOW_TO_GET)
    return found


@contextmanager
def sampling(process_id: int, seconds: float, folder: Path, sampled: Sampled) -> Iterator[None]:
    """Samples the stacks of a process within the `with`, which should last `seconds`; fills `sampled` on leaving it.

    The process is not stopped for it. Raises ValueError with a sentence where this system does not let py-spy look.
    """
    output, log = folder / "stacks.txt", folder / "py_spy.log"
    command = [
        py_spy(),
        "record",
        "--pid",
        str(process_id),
        "--rate",
        str(RATE_HZ),
        "--duration",
        str(max(1, round(seconds))),
        "--format",
        "raw",
        "--threads",
        "--nonblocking",
        "--full-filenames",
        "--function",
        "--output",
        str(output),
    ]
    before_s, _ = thread_times(process_id)
    with open(log, "wb") as said:
        sampler = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield
        after_s, sampled.thread_names = thread_times(process_id)
        sampled.thread_s = {number: spent - before_s.get(number, 0.0) for number, spent in after_s.items()}
        sampler.send_signal(signal.SIGINT)  # it may still have a moment to go, and writes its file now
        sampler.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if sampler.poll() is None:
            sampler.kill()
            sampler.wait()
    if not output.is_file():
        raise ValueError(
            f"py-spy gave nothing: {_last_line(log)} (as an ordinary user it needs `sudo sysctl kernel.yama.ptrace_scope=0`)"
        )
    sampled.stacks = parse(output.read_text())


def thread_times(process_id: int) -> tuple[dict[int, float], dict[int, str]]:
    """Processor time in s and name of each thread, by its number; empty where the process has ended."""
    times, names = {}, {}
    for folder in Path(f"/proc/{process_id}/task").glob("*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:  # it has just ended
            continue
        numbers = text.rsplit(")", 1)[1].split()
        names[int(folder.name)] = text.split("(", 1)[1].rsplit(")", 1)[0]
        times[int(folder.name)] = (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)
    return times, names


def parse(text: str) -> list[tuple[int, str, list[str], int]]:
    """py-spy's raw format, `thread (ID): NAME;FRAME;...;FRAME COUNT` in each line, outermost first."""
    stacks = []
    for line in text.splitlines():
        frames, count = line.rsplit(" ", 1)
        thread, *frames = frames.split(";")
        number, name = thread.removeprefix("thread (").partition(")")[::2]
        stacks.append((int(number, 0), name.removeprefix(": ") or "main", frames, int(count)))
    return stacks


def own_name(frame: str) -> str | None:
    """`core/refit.py: Refit.fit` of py-spy's `Refit.fit (/somewhere/refit_ros/core/refit.py)`; None: not this package's."""
    function, _, path = frame.rstrip(")").rpartition(" (")
    path = Path(path.rsplit(":", 1)[0] if path.rsplit(":", 1)[-1].isdigit() else path)
    return f"{path.relative_to(PACKAGE)}: {function}" if path.is_relative_to(PACKAGE) else None


def shares(stacks: list[tuple[int, str, list[str], int]]) -> tuple[list[tuple[str, float, str]], list[tuple[str, float]]]:
    """Of all samples: (function of this package, share with what it calls elsewhere, what that mostly is), and
    (function of this package, share with everything below it); the largest first."""
    alone, below, mostly = Counter(), Counter(), {}
    for _, thread, frames, count in stacks:
        names = [own_name(frame) for frame in frames]
        known = [name for name in names if name]
        innermost = known[-1] if known else f"({thread})"
        alone[innermost] += count
        last = frames[-1].rsplit(" (", 1)[0] if frames and names[-1] is None else "itself"
        mostly.setdefault(innermost, Counter())[last] += count
        below.update(dict.fromkeys(known, count))
    total = max(sum(alone.values()), 1)
    return (
        [(name, count / total, mostly[name].most_common(1)[0][0]) for name, count in alone.most_common()],
        [(name, count / total) for name, count in below.most_common()],
    )


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"

"""`--suite bags`: many small bags one by one, two at a time, and on a Ray cluster of two nodes of this machine.

Every way must write the same bytes. A worker is killed in the middle, and a run is stopped and goes on. Each worker computes
on one core. Ray's part needs Ray (`pip install '.[ray]'`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from refit_ros.benchmarking.drawn_bags import draw_bags
from refit_ros.benchmarking.tables import RAY_GAIN

COUNT, IMAGES = 50, 60
PART = 3  # after one bag of so many a worker is killed, or the run is stopped
LONGEST_S = 1800.0  # of one run
NO_RAY = "Ray is not installed (pip install '.[ray]')"
_DONE = re.compile(r"^(\d+)/\d+ ")  # a line of a bag that is done


def run_bags_suite(say: Callable[[str], None], count: int = COUNT, images: int = IMAGES) -> dict:
    """Rows of what each way took, and whether its bytes are those of one by one. Raises RuntimeError where a run fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"drawing {count} bags")
        draw_bags(folder / "recordings", count, images)
        ways = _Ways(folder, say)
        ways.take("one at a time (--jobs 1)", ["--jobs", "1"])
        ways.take("two at a time (--jobs 2)", ["--jobs", "2"])
        ways.take_stopped("the same, stopped and begun again", ["--jobs", "2"])
        results = {"bags": count, "images": images, "rows": ways.rows}
        if importlib.util.find_spec("ray") is None:
            return {**results, "not measured": f"on a Ray cluster: {NO_RAY}"}
        with _cluster(1) as address:
            one_s = ways.take("Ray, one node of one worker", ["--ray", address])
        with _cluster(2) as address:
            two_s = ways.take("Ray, two nodes of one worker", ["--ray", address])
            ways.take_killed("the same, one worker killed", ["--ray", address])
        return {**results, RAY_GAIN: one_s / two_s}


class _Ways:
    """Runs the command in each way, into a folder of its own."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._bytes: dict[str, str] | None = None  # of the first way
        self.rows: list[dict[str, object]] = []

    def take(self, title: str, words: list[str]) -> float:
        """Seconds that it took."""
        self._say(title)
        run = _Run(self._folder, f"people_{len(self.rows)}", words)
        run.end()
        self._note(title, run)
        return run.took_s

    def take_killed(self, title: str, words: list[str]) -> None:
        """One of Ray's workers dies at work."""
        self._say(title)
        run = _Run(self._folder, f"people_{len(self.rows)}", words)
        run.until_part_is_done()
        worker = next(iter(_ray_workers()), None)
        if worker is None:
            raise RuntimeError("no worker of Ray was found that could be killed")
        os.kill(worker, signal.SIGKILL)
        run.end()
        self._note(title, run)

    def take_stopped(self, title: str, words: list[str]) -> None:
        """SIGINT in the middle, then the same is typed again."""
        self._say(title)
        name = f"people_{len(self.rows)}"
        first = _Run(self._folder, name, words)
        first.until_part_is_done()
        first.stop()
        run = _Run(self._folder, name, words)
        run.end()
        run.took_s += first.took_s
        self._note(title, run)

    def _note(self, title: str, run: _Run) -> None:
        written = digests(run.output)
        self._bytes = written if self._bytes is None else self._bytes
        bags = sum(bool(_DONE.match(line)) for line in run.lines)
        self.rows.append(
            {
                "way": title,
                "s": run.took_s,
                "bags/s": bags / run.took_s,
                "failed": sum("FAILED" in line for line in run.lines),
                "bytes": "the same" if written == self._bytes else "others",
                "not done again": sum("is there already" in line for line in run.lines),
                "load": os.getloadavg()[0],
            }
        )


class _Run:
    """The command as a program."""

    def __init__(self, folder: Path, name: str, words: list[str]) -> None:
        self.output, self.lines, self.took_s = folder / name, [], 0.0
        command = [sys.executable, "-m", "refit_ros", "bag", str(folder / "recordings"), "--output", str(self.output)]
        self._begin_s = time.monotonic()
        self._program = subprocess.Popen(
            [*command, "--device", "cpu", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def until_part_is_done(self) -> None:
        for line in self._program.stdout:
            self.lines.append(line)
            done = _DONE.match(line)
            if done and int(done[1]) * PART >= int(line.split("/")[1].split()[0]):
                return
        raise RuntimeError(f"the command ended before a part of the bags was done: {''.join(self.lines[-3:])}")

    def stop(self) -> None:
        self._program.send_signal(signal.SIGINT)
        self._wait()

    def end(self) -> None:
        """Raises RuntimeError where it does not end well."""
        if self._wait():
            raise RuntimeError(f"a run of many bags ended with {self._program.returncode}: {''.join(self.lines[-5:])}")

    def _wait(self) -> int:
        said, _ = self._program.communicate(timeout=LONGEST_S)
        self.lines += said.splitlines(keepends=True)
        self.took_s = time.monotonic() - self._begin_s
        return self._program.returncode


def digests(folder: Path) -> dict[str, str]:
    """Of every file at or below a folder, by its path in there."""
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@contextmanager
def _cluster(nodes: int) -> Iterator[str]:
    """Address of a Ray cluster of so many nodes of this machine, one processor each.

    Its workers are as important as other programs: left to itself Ray is so polite (nice 15) that it would be measured how
    busy the machine is otherwise.
    """
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()


def _ray_workers() -> Iterator[int]:
    """Processes of Ray's, below this one, that are at a bag."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if (folder / "cmdline").read_bytes().startswith(b"ray::run_one") and os.getpid() in _ancestors(folder.name):
                    yield int(folder.name)
            except OSError:  # it has ended meanwhile
                pass


def _ancestors(process: str) -> Iterator[int]:
    while process not in ("0", "1"):
        process = Path("/proc", process, "stat").read_text().rsplit(")", 1)[1].split()[1]
        yield int(process)

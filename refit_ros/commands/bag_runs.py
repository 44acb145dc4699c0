"""`bag` commands as programs of their own, and what became of each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from refit_ros.interrupt import ENDS_WITH_PARENT
from refit_ros.node.threads import available_threads

LONGEST_SAID = 300  # letters of a sentence in the table
PATIENCE_S = 10.0  # for a program that was told to stop


@dataclass(frozen=True)
class Run:
    name: str
    arguments: tuple[str, ...]  # of the Python interpreter
    output: Path  # is there afterwards, or the run was no success


@dataclass(frozen=True)
class Outcome:
    name: str
    code: int  # the program's exit code; below 0: the signal that it died of
    said: str  # its last words

    @property
    def is_well(self) -> bool:
        return self.code == 0


class Programs:
    """Starts programs from several threads, and ends those that still run."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._lock, self._stopped = threading.Lock(), False

    def outcome(self, run: Run, threads: int) -> Outcome:
        """Run it to its end."""
        environment = {**os.environ, ENDS_WITH_PARENT: "1"}
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        with self._lock:
            if self._stopped:
                return Outcome(run.name, -signal.SIGINT, "was not begun")
            program = subprocess.Popen(
                [sys.executable, *run.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C comes to us, and from us to them
            )
            self._running.add(program)
        said, complained = program.communicate()
        with self._lock:
            self._running.discard(program)
        if program.returncode == 0 and not run.output.exists():  # a program that was told to stop ends with 0 too
            return Outcome(run.name, -signal.SIGTERM, "was told to stop")
        return Outcome(run.name, program.returncode, _last_words(program.returncode, said, complained))

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for program in running:
            program.send_signal(signal.SIGINT)
        for program in running:
            try:
                program.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                program.kill()


def outcomes_here(runs: list[Run], jobs: int) -> Iterator[Outcome]:
    """As they end, `jobs` at a time, which share this machine's cores."""
    programs = Programs()
    threads = max(1, available_threads() // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in as_completed([pool.submit(programs.outcome, run, threads) for run in runs]):
                yield done.result()
        except BaseException:
            programs.stop()
            raise


def _last_words(code: int, said: bytes, complained: bytes) -> str:
    if code < 0:
        return f"its program died of signal {-code}{' (no memory left?)' if code == -signal.SIGKILL else ''}"
    heard = said if code in (0, 1) and b"Traceback" not in complained else complained
    lines = [line for line in heard.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("refit_ros: ")[:LONGEST_SAID] if lines else f"ended with {code}"

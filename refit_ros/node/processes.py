"""Other programs of this package as child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from refit_ros.interrupt import LAST_RESORT_S

SIGINT_PATIENCE_S = LAST_RESORT_S + 10  # what a program has to end by itself before it is killed: more than it takes
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
COMMAND_LINE = (sys.executable, "-m", "refit_ros")


class ChildEnded(RuntimeError):
    """A child ended although it should have gone on; the message names it and quotes its last words."""


class Children:
    """Started by name, each in its own process group with its output in a file; all ended on leaving the `with`."""

    def __init__(self, log_folder: Path, environment: dict[str, str], program: Sequence[str] = COMMAND_LINE) -> None:
        self._program = list(program)
        self._log_folder = log_folder
        self._environment = environment
        self._running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *error) -> None:
        self.end()

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """The program with these arguments, its output in `<log folder>/<name>.log`. Call from the main thread."""
        before_running = _die_with_parent if sys.platform == "linux" else None
        with open(self.log(name), "wb") as log:
            self._running[name] = subprocess.Popen(
                [*self._program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, "PYTHONUNBUFFERED": "1"},  # so that the last words do come last
                start_new_session=True,
                preexec_fn=before_running,
            )

    def log(self, name: str) -> Path:
        return self._log_folder / f"{name}.log"

    def check(self) -> None:
        """Raises ChildEnded when one of them has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ChildEnded(
                    f"{name} ended with exit code {process.returncode}: {self._last_words(name)} (see {self.log(name)})"
                )

    def process_id(self, name: str) -> int:
        return self._running[name].pid

    def cpu_s(self, name: str) -> float:
        """Processor time that it has used so far; NaN where the system does not tell."""
        try:
            numbers = Path(f"/proc/{self._running[name].pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return float("nan")
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)

    def kill(self, name: str) -> None:
        """End one of them at once, as if its machine had died."""
        process = self._running.pop(name)
        _signal(process, signal.SIGKILL)
        process.wait()

    def end(self) -> dict[str, int]:
        """Ask all to end, kill those that do not; the exit code of each."""
        for process in self._running.values():
            _signal(process, signal.SIGINT)
        patient_until_s = time.monotonic() + SIGINT_PATIENCE_S
        codes = {}
        for name, process in self._running.items():
            try:
                process.wait(max(0.0, patient_until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            _signal(process, signal.SIGKILL)  # the whole group: also what the program itself had started
            codes[name] = process.wait()
        self._running = {}
        return codes

    def complaint(self, name: str, wanted: str) -> str | None:
        """The latest line of its output that holds `wanted`, without what ROS puts before it."""
        if not self.log(name).exists():
            return None
        lines = [line for line in self.log(name).read_text(errors="replace").splitlines() if wanted in line]
        return lines[-1][lines[-1].index(wanted) :] if lines else None

    def _last_words(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def _die_with_parent() -> None:
    # Nothing else helps where the parent itself is killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

"""`bag` commands in programs of their own, each doing one bag after the other, and what became of each bag."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from refit_ros.interrupt import ENDS_WITH_PARENT
from refit_ros.node.threads import available_threads

LONGEST_SAID = 300  # letters of a sentence in the table
PATIENCE_S = 10.0  # for a program that was told to stop
WORKER = ("-m", "refit_ros.commands.bag_worker")


@dataclass(frozen=True)
class Run:
    name: str
    words: tuple[str, ...]  # of the command, as they are typed after `python -m refit_ros`
    output: Path  # is there afterwards, or the run was no success
    worker: tuple[str, ...] = WORKER  # arguments of the Python interpreter: the program that does it


@dataclass(frozen=True)
class Outcome:
    name: str
    code: int  # the command's exit code; below 0: the signal that its program died of
    said: str  # its last words

    @property
    def is_well(self) -> bool:
        return self.code == 0


class Programs:
    """Does runs, from several threads at once, in programs that go on with the next; ends those that still run."""

    def __init__(self) -> None:
        self._idle: list[_Program] = []
        self._running: set[_Program] = set()
        self._lock, self._stopped = threading.Lock(), False

    def outcome(self, run: Run, threads: int) -> Outcome:
        """Do it to its end, in an idle program or a new one."""
        with self._lock:
            if self._stopped:
                return Outcome(run.name, -signal.SIGINT, "was not begun")
            alike = [one for one in self._idle if (one.command, one.threads) == (run.worker, threads)]
            program = alike[0] if alike else _Program(run.worker, threads)
            self._idle = [one for one in self._idle if one is not program]
            self._running.add(program)
        code, said, complained = program.do(run.words)
        with self._lock:
            self._running.discard(program)
            if not self._stopped and program.goes_on():
                self._idle.append(program)
        if code == 0 and not run.output.exists():  # a program that was told to stop ends with 0 too
            return Outcome(run.name, -signal.SIGTERM, "was told to stop")
        return Outcome(run.name, code, _last_words(code, said, complained))

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            running, idle, self._idle = list(self._running), self._idle, []
        for program in running:
            program.process.send_signal(signal.SIGINT)
        for program in idle:
            program.close()
        for program in running:
            try:
                program.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                program.process.kill()


class _Program:
    """One that runs. What it says goes into files, so that it never waits for somebody to read."""

    def __init__(self, command: tuple[str, ...], threads: int) -> None:
        self.command, self.threads = command, threads
        self._said: tuple[IO[bytes], IO[bytes]] = (tempfile.TemporaryFile(), tempfile.TemporaryFile())
        environment = {**os.environ, ENDS_WITH_PARENT: str(os.getpid())}
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        answers, answer = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, *command, str(answer)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=self._said[0],
                stderr=self._said[1],
                pass_fds=(answer,),
                start_new_session=True,  # Ctrl-C comes to us, and from us to them
            )
        finally:
            os.close(answer)
        self._answers = open(answers, "rb")

    def do(self, words: tuple[str, ...]) -> tuple[int, bytes, bytes]:
        """Exit code, and what was said and complained of meanwhile."""
        before = [os.fstat(file.fileno()).st_size for file in self._said]
        with contextlib.suppress(BrokenPipeError):  # it has died: what it left unanswered says so
            self.process.stdin.write(json.dumps(words).encode() + b"\n")
            self.process.stdin.flush()
        line = self._answers.readline()
        code = json.loads(line) if line else self.process.wait()
        said, complained = (_since(*each) for each in zip(self._said, before))
        return code, said, complained

    def goes_on(self) -> bool:
        """Whether it can take the next; one that cannot is closed."""
        if self.process.poll() is None:
            return True
        self.close()
        return False

    def close(self) -> None:
        """With nothing to do it ends by itself."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self._answers.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for file in self._said:
            file.close()


def outcomes_here(runs: list[Run], jobs: int) -> Iterator[Outcome]:
    """As they end, `jobs` at a time, which share this machine's cores."""
    programs = Programs()
    threads = max(1, available_threads() // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in as_completed([pool.submit(programs.outcome, run, threads) for run in runs]):
                yield done.result()
        finally:
            programs.stop()


def _since(file: IO[bytes], begin: int) -> bytes:
    """What was written behind a place. The file's own place is shared with who writes, and stays."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size - begin, begin)


def _last_words(code: int, said: bytes, complained: bytes) -> str:
    if code < 0:
        return f"its program died of signal {-code}{' (no memory left?)' if code == -signal.SIGKILL else ''}"
    heard = said if code in (0, 1) and b"Traceback" not in complained else complained
    lines = [line for line in heard.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("refit_ros: ")[:LONGEST_SAID] if lines else f"ended with {code}"

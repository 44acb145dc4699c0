"""Runs one long step of the set-up: one line of progress on the screen, everything else in a log file."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

WIDTH = 100
TERMINAL_EVERY_S = 0.5
LOG_EVERY_S = 15.0  # where nobody can see a line change: CI, a file


class StepFailed(Exception):
    """A step ended with an error; the message holds what to do and the end of its log."""


def run_step(title: str, command: list[str], env: dict[str, str], log: Path) -> None:
    """Raises StepFailed. `log` is begun anew."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    on_terminal = sys.stdout.isatty()
    print(f"{title} ...", end="" if on_terminal else "\n", flush=True)
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        last = [""]
        reader = threading.Thread(target=_keep_last_line, args=(process.stdout, file, last), daemon=True)
        reader.start()
        shown = begun
        try:
            while process.poll() is None:
                reader.join(TERMINAL_EVERY_S)
                now = time.monotonic()
                if now - shown >= (TERMINAL_EVERY_S if on_terminal else LOG_EVERY_S):
                    shown = now
                    line = f"{title.split()[0]} {now - begun:4.0f} s  {last[0]}"[:WIDTH]
                    print(f"\r{line:<{WIDTH}}" if on_terminal else line, end="" if on_terminal else "\n", flush=True)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        reader.join()
    seconds = time.monotonic() - begun
    if process.returncode:
        if on_terminal:
            print()
        end = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-25:])
        raise StepFailed(f"{title}: failed after {seconds:.0f} s. The end of {log}:\n{end}")
    done = f"{title}: {seconds:.0f} s"
    print(f"\r{done:<{WIDTH}}" if on_terminal else done, flush=True)


def _keep_last_line(stream, file, last: list[str]) -> None:
    for line in stream:
        file.write(line)
        file.flush()
        if line.strip():
            last[0] = line.strip()

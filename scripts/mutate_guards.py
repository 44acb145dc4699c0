"""Take each guard of guards.toml away in a private copy and see its test fail: make guards ARGS="word of a name".

A test that stays green without its guard is no test of it; the run then ends with 1 and names it. So it does where the
guard's text is not there any more. That the tests pass with their guards is what `make test` says.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUARDS = Path(__file__).with_name("guards.toml")
BUILT = (".venv", "install")  # are not copied: nothing in there is changed
LONGEST_S = 300
# 1: a test failed; below 0: a crash; TIMED_OUT: what the guard keeps from hanging hung. Else nothing is proved.
PASSED, FAILED, TIMED_OUT = 0, 1, 124


@dataclass(frozen=True)
class Guard:
    """A text of a file that is the guard, what stands there without it, and the test that must then fail."""

    name: str
    file: str
    text: str
    without: str
    test: str


def main(word: str = "") -> int:
    guards = [Guard(**entry) for entry in tomllib.loads(GUARDS.read_text())["guard"]]
    chosen = [guard for guard in guards if word in guard.name]
    bad = []
    with tempfile.TemporaryDirectory(prefix="refit_guards_") as folder:
        copy = Path(folder) / "copy"
        copy_tree(copy)
        for guard in chosen:
            verdict = verdict_on(guard, copy)
            print(f"{verdict:<26} {guard.name}: {guard.test}", flush=True)
            bad += [] if verdict == "seen red" else [guard.name]
    print(f"{len(chosen) - len(bad)} of {len(chosen)} guards were seen red")
    return 1 if bad else 0


def copy_tree(copy: Path) -> None:
    ignored = shutil.ignore_patterns(".git", "__pycache__", "build", "log", "demo_output", *BUILT)
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    for name in BUILT:
        if (ROOT / name).exists():
            (copy / name).symlink_to((ROOT / name).resolve())


def verdict_on(guard: Guard, copy: Path) -> str:
    """ "seen red", or what is wrong."""
    file = copy / guard.file
    whole = file.read_text()
    if whole.count(guard.text) != 1:
        return f"TEXT IS THERE {whole.count(guard.text)} TIMES"
    file.write_text(whole.replace(guard.text, guard.without))
    try:
        code = run(guard.test, copy)
    finally:
        file.write_text(whole)
    if code == PASSED:
        return "STAYS GREEN"
    if code == TIMED_OUT and run(guard.test, copy) != PASSED:
        return "FAILS WITH ITS GUARD TOO"
    return "seen red" if code in (FAILED, TIMED_OUT) or code < 0 else f"PYTEST ENDED WITH {code}"


def run(test: str, copy: Path) -> int:
    """pytest's exit code."""
    command = 'source scripts/environment.sh && exec python -m pytest -x -q -p no:cacheprovider "$0"'
    try:
        done = subprocess.run(
            ["bash", "-c", command, test], cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

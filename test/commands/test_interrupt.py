"""A signal at any moment ends a program well: with exit code 0, and without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

# Imports in a way that swallows whatever is raised, as compiled modules do, then works until it is told to stop.
PROGRAM = """
import sys, time
from pathlib import Path
from refit_ros import interrupt

interrupt.listen()
sys.path.insert(0, sys.argv[1])
print("ready", flush=True)
try:
    try:
        import slow
    except BaseException:
        print("lost", flush=True)
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        pass
except KeyboardInterrupt:
    interrupt.ignore()
    sys.exit(0)
sys.exit(3)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 5])
def test_within_an_import_it_comes_afterwards(tmp_path, number, times):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.6)\n")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert program.stdout.readline() == "ready\n"
        time.sleep(0.2)
        for _ in range(times):
            program.send_signal(number)
            time.sleep(0.01)
        said, _ = program.communicate(timeout=15)
    finally:
        program.kill()
    assert (program.returncode, said) == (0, "")


# The beginning of the command line, then a wait; leaves a file where it ended well.
CHILD = """
import sys, time
from refit_ros import interrupt

try:
    interrupt.listen()
    interrupt.end_with_parent()
    print("ready", flush=True)
    time.sleep(40)
except KeyboardInterrupt:
    open(sys.argv[1], "w").close()
"""
PARENT = """
import subprocess, sys, time

child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(40)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has ended")
@pytest.mark.parametrize("told", [True, False])
def test_a_launched_program_ends_well_when_what_launched_it_is_gone(tmp_path, told):
    mark = tmp_path / "ended_well"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, str(mark)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "REFIT_ENDS_WITH_PARENT": "1" if told else ""},
    )
    child = int(parent.stdout.readline())
    try:
        parent.kill()
        parent.wait()
        end_s = time.monotonic() + (15 if told else 1)
        while not mark.exists() and time.monotonic() < end_s:
            time.sleep(0.05)
        assert mark.exists() == told
    finally:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        parent.stdout.close()

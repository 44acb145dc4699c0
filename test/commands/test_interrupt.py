"""A signal at any moment ends a program well: with exit code 0, and without a word."""
from __future__ import annotations

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
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
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

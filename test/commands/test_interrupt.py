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
        sys.exit("lost")
    end_s = time.monotonic() + 600
    while time.monotonic() < end_s:
        time.sleep(0.01)
except KeyboardInterrupt:
    interrupt.ignore()
    sys.exit(0)
sys.exit(3)
"""


# A program that only notes; what it does then comes as an argument.
NOTES = """
import atexit, os, sys, threading, time
from refit_ros import interrupt

atexit.register(os.abort)  # as threads of compiled code do now and then where the interpreter ends
interrupt.only_note(float(sys.argv[1]))
sys.stdout.write("ready\\n")
sys.stdout.flush()
{then}
"""
LOOKS = """
try:
    while not interrupt.came():
        pass
    time.sleep(0.1)
    print("nothing was raised")
except KeyboardInterrupt:
    print("raised")
interrupt.leave(7)
"""
NEVER_LOOKS = """
lock = threading.Lock()
lock.acquire()
lock.acquire()
"""


def run(code: str, number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """Exit code and words of a program that got a signal when it said that it was ready."""
    program = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        said, _ = program.communicate(timeout=300)
    finally:
        program.kill()
    return program.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_where_it_is_only_noted_nothing_is_raised_and_the_program_leaves_with_its_own_code(number):
    assert run(NOTES.format(then=LOOKS), number, "600") == (7, "nothing was raised\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_never_looks_at_the_note_is_ended(number):
    assert run(NOTES.format(then=NEVER_LOOKS), number, "0.2") == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_nothing_is_open_nothing_is_waited_for(number):
    assert run(NOTES.format(then="interrupt.allow(0.0)" + NEVER_LOOKS), number, "100000") == (0, "")


# Something else comes through the pipe, or its end.
STRAY = """
import signal
writes = signal.set_wakeup_fd(-1)
signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
{stray}
time.sleep(0.5)
print("stop" if interrupt.came() else "on", flush=True)
while not interrupt.came():
    time.sleep(0.01)
interrupt.leave(7)
"""


@pytest.mark.parametrize("stray", ["os.write(writes, bytes([signal.SIGCHLD]))", "os.close(writes)"])
def test_what_is_no_signal_to_stop_stops_nothing(stray):
    code = NOTES.replace('sys.stdout.write("ready', "pass#").replace("sys.stdout.flush()", "")
    program = subprocess.Popen(
        [sys.executable, "-c", code.format(then=STRAY.format(stray=stray)), "600"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout.readline() == "on\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(300) == 7
    finally:
        program.kill()
        program.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_lines_of_the_package_are_ended_without_a_word(tmp_path, number):
    (tmp_path / "pkgutil.py").write_text("import time\nprint('within', flush=True)\ntime.sleep(100_000)\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    program = subprocess.Popen(
        [sys.executable, "-m", "refit_ros", "node"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert program.stdout.readline() == "within\n"
        program.send_signal(number)
        said, _ = program.communicate(timeout=300)
    finally:
        program.kill()
    assert (program.returncode, said) == (0, "")


def test_another_program_that_imports_the_package_keeps_its_own_handlers():
    code = "import signal; import refit_ros; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code, "refit_ros"], capture_output=True, text=True, timeout=300)
    assert done.stdout == "True\n"


def test_an_import_without_end_is_ended_where_nothing_can_be_raised(tmp_path):
    (tmp_path / "slow.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    quiet = PROGRAM.replace('print("ready", flush=True)', "interrupt.PATIENCE_S = 0.3")
    assert run(quiet, signal.SIGINT, str(tmp_path)) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 5])
def test_within_an_import_it_comes_afterwards(tmp_path, number, times):
    (tmp_path / "slow.py").write_text("print('within', flush=True)\ninput()\n")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert program.stdout.readline() == "ready\n" and program.stdout.readline() == "within\n"
        for _ in range(times):
            program.send_signal(number)
            time.sleep(0.01)
        said, _ = program.communicate("\n", timeout=300)
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
    time.sleep(600)
except KeyboardInterrupt:
    open(sys.argv[1], "w").close()
"""
PARENT = """
import subprocess, sys, time

child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
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
        end_s = time.monotonic() + (300 if told else 1)
        while not mark.exists() and time.monotonic() < end_s:
            time.sleep(0.05)
        assert mark.exists() == told
    finally:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        parent.stdout.close()


ORPHAN = """
import sys, time
from refit_ros import interrupt

interrupt.listen()
try:
    interrupt.end_with_parent()
    for _ in range(200):
        interrupt.check()
        time.sleep(0.05)
except KeyboardInterrupt:
    print("ended well")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has ended")
def test_a_launched_program_ends_well_when_what_launched_it_was_gone_before_it_began():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = {**os.environ, "REFIT_ENDS_WITH_PARENT": str(gone.pid)}
    said = subprocess.run([sys.executable, "-c", ORPHAN], env=environment, capture_output=True, text=True, timeout=280)
    assert said.stdout == "ended well\n", said.stderr

"""What SIGINT and SIGTERM do: KeyboardInterrupt in most programs, a note in those that are full of compiled threads.

Compiled modules import others while they are loaded, and print, swallow or rename what is raised there; C++ that calls
Python where nothing may be thrown ends the whole program. So nothing is raised in an import, and programs with ROS in
them have nothing raised at all: they look at the note between their steps, and end by `leave`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

AGAIN_S = 0.1  # an import that is under way is given so long before the next try ...
PATIENCE_S = 2.5  # ... and no longer than this in all: whoever pressed Ctrl-C waits
ONCE_S = 1.0  # a second signal so soon after one that was raised is impatience: what tidies up is not interrupted by it
LAST_RESORT_S = 3.0  # a program that only notes is ended so long after the signal, whatever it is at
LOOK_S = 0.1  # how often the thread that ends it looks whether it is time
ENDS_WITH_PARENT = "REFIT_ENDS_WITH_PARENT"  # set by the launch files: the number of their process
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_TO_STOP = (bytes([signal.SIGINT]), bytes([signal.SIGTERM]))  # as they are written into the pipe
_came_s: float | None = None
_raised_s = float("-inf")
_only_notes = False
_last_resort_s = LAST_RESORT_S


def listen() -> None:
    """From now on both signals raise KeyboardInterrupt in the main thread; call from there."""
    # Not left to what was inherited: a shell that starts us in the background leaves SIGINT ignored.
    for number in _NUMBERS:
        signal.signal(number, _on_signal)


def only_note(last_resort_s: float = LAST_RESORT_S) -> None:
    """From now on both signals raise nothing: look with `check` or `came`. Call from the main thread.

    The program has `last_resort_s` from the signal on, and is ended by another thread with exit code 0 if it needs more.
    Raises KeyboardInterrupt if a signal came already.
    """
    global _only_notes
    allow(last_resort_s)
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    for number in _NUMBERS:
        signal.signal(number, _note)
    # The number is written the moment that the signal comes; a handler in Python would wait for the main thread to come
    # back from whatever compiled code it is in.
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    threading.Thread(target=_take_note, args=(reads,), name="refit signals", daemon=True).start()
    _only_notes = True
    check()


def allow(last_resort_s: float) -> None:
    """From now on the program has so long after the signal: 0 while nothing is open that could be left half made, more
    where it has started others and waits for their end."""
    global _last_resort_s
    _last_resort_s = last_resort_s


def only_notes() -> bool:
    """Whether `only_note` was called: then `leave` is the way to end."""
    return _only_notes


def leave(code: int) -> NoReturn:
    """End the program now, all that was said being written.

    The interpreter's own end takes things down that threads of the middleware and of the network still use; now and then
    one of them aborts the program after all went well.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or a pipe that nobody reads any more
            stream.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)  # what C libraries have said
    os._exit(code)


def end_with_parent() -> None:
    """Where the launch file says so, SIGTERM comes when the launching program ends without ending this one, or has ended.

    `ros2 launch` passes SIGINT on to what it has started; told to stop by SIGTERM it goes away and leaves all behind.
    """
    parent = os.environ.get(ENDS_WITH_PARENT, "")
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        known = parent.isdecimal() and os.path.exists("/proc/self")
        if known and not os.path.exists(f"/proc/{parent}"):  # it ended before this one had asked for that
            os.kill(os.getpid(), signal.SIGTERM)


def ignore() -> None:
    """The tidying up is short and must not be cut off by an impatient second Ctrl-C."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def came() -> bool:
    """Whether a signal came at any time."""
    return _came_s is not None


def check() -> None:
    """Raises KeyboardInterrupt if a signal came at any time. For before, and within, whatever takes long."""
    if came():
        raise KeyboardInterrupt


def _note(signal_number: int, frame: FrameType | None) -> None:
    global _came_s
    if _came_s is None and bytes([signal_number]) in _TO_STOP:
        _came_s = time.monotonic()


def _take_note(reads: int) -> None:
    global _came_s
    while (number := os.read(reads, 1)) not in _TO_STOP:
        if not number:  # somebody closed what is not theirs: what comes now is noted by the handlers, in the main thread
            while not came():
                time.sleep(LOOK_S)
            break
    _came_s = time.monotonic()
    while time.monotonic() - _came_s < _last_resort_s:
        time.sleep(LOOK_S)
    os._exit(0)


def _on_signal(signal_number: int, frame: FrameType | None) -> None:
    global _came_s, _raised_s
    now_s = time.monotonic()
    _came_s = now_s if _came_s is None else _came_s
    if not _importing(frame):
        if now_s - _raised_s > ONCE_S:
            _raised_s = now_s
            raise KeyboardInterrupt
        return
    if now_s - _came_s > PATIENCE_S:
        os._exit(0)  # raised here it could get lost, or abort the program; nothing is half made while modules are loaded
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

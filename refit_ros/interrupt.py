"""SIGINT and SIGTERM become KeyboardInterrupt, but not in the middle of an import, where it would get lost.

Compiled modules import others while they are loaded, and print, swallow or rename what is raised there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from types import FrameType

AGAIN_S = 0.1  # an import that is under way is given so long before the next try ...
PATIENCE_S = 2.5  # ... and no longer than this in all: whoever pressed Ctrl-C waits
ENDS_WITH_PARENT = "REFIT_ENDS_WITH_PARENT"  # set by the launch files
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_came_s: float | None = None


def listen() -> None:
    """From now on both signals raise KeyboardInterrupt in the main thread; call from there."""
    # Not left to what was inherited: a shell that starts us in the background leaves SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _on_signal)


def end_with_parent() -> None:
    """Where the launch file says so, SIGTERM comes when the launching program ends without ending this one.

    `ros2 launch` passes SIGINT on to what it has started; told to stop by SIGTERM it goes away and leaves all behind.
    """
    if os.environ.get(ENDS_WITH_PARENT) and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ignore() -> None:
    """The tidying up is short and must not be cut off by an impatient second Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def came() -> bool:
    """Whether a signal came at any time."""
    return _came_s is not None


def check() -> None:
    """Raises KeyboardInterrupt if a signal came at any time. For before, and within, whatever takes long."""
    if came():
        raise KeyboardInterrupt


def _on_signal(signal_number: int, frame: FrameType | None) -> None:
    global _came_s
    now_s = time.monotonic()
    _came_s = now_s if _came_s is None else _came_s
    if now_s - _came_s > PATIENCE_S or not _importing(frame):
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

"""SIGINT and SIGTERM become KeyboardInterrupt, and are remembered: raised within an import, it can get lost there."""
from __future__ import annotations

import signal

_came = False


def listen() -> None:
    """From now on both signals raise KeyboardInterrupt in the main thread; call from there."""
    # Not left to what was inherited: a shell that starts us in the background leaves SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def ignore() -> None:
    """The tidying up is short and must not be cut off by an impatient second Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raises KeyboardInterrupt if a signal came at any time. For before, and within, whatever takes long."""
    if _came:
        raise KeyboardInterrupt


def _on_signal(signal_number, frame) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt

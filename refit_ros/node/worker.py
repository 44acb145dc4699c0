"""The one thread that computes."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from refit_ros.node.mailbox import Mailbox
from refit_ros.node.sets import FrameSet

STOP_WAIT_S = 3.0


class Worker:
    """Takes the newest set from the mailbox and processes it, until stopped. A set that fails does not end it."""

    def __init__(self, process: Callable[[FrameSet], None], failed: Callable[[str], None]) -> None:
        self.mailbox: Mailbox[FrameSet] = Mailbox()
        self._process, self._failed = process, failed
        self._thread = threading.Thread(target=self._run, name="refit compute", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """True when the set at hand was finished; False when it is still being computed after some seconds."""
        self.mailbox.close()
        self._thread.join(STOP_WAIT_S)
        return self.ended

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self.mailbox.closed:
            taken = self.mailbox.take()
            if taken is None:
                continue
            try:
                self._process(taken)
            except Exception:
                self._failed(traceback.format_exc())

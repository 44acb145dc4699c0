"""One slot between the callbacks and the thread that computes: the latest wins, what it replaced is counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from refit_ros.node.threads import give_way

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Safe for several writers and one reader; nobody ever waits to write."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.dropped = 0  # items that were replaced before anybody took them

    def put(self, item: Item) -> None:
        """Leave an item, in place of one that was not taken yet. Does nothing once closed."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()
        give_way()

    def take(self, timeout_s: float | None = None) -> Item | None:
        """Wait for an item and take it; None after `timeout_s` or once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return None if self._closed else item

    @property
    def waiting(self) -> bool:
        """Whether there is an item that nobody has taken yet."""
        return self._item is not None

    def close(self) -> None:
        """Wake the reader for the last time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

"""The latest wins, nobody waits to write, and the reader can be sent home."""

from __future__ import annotations

import threading
import time

from refit_ros.node.mailbox import Mailbox


def test_the_latest_wins_and_drops_are_counted():
    mailbox = Mailbox()
    for item in range(5):
        mailbox.put(item)
    assert mailbox.take(0) == 4 and mailbox.dropped == 4
    assert mailbox.take(0) is None


def test_take_waits_for_the_next():
    mailbox = Mailbox()
    threading.Timer(0.05, mailbox.put, ["late"]).start()
    assert mailbox.take(10) == "late"


def test_close_wakes_the_reader_and_ends_it():
    mailbox = Mailbox()
    threading.Timer(0.05, mailbox.close).start()
    began_s = time.monotonic()
    assert mailbox.take(10) is None and time.monotonic() - began_s < 9
    mailbox.put("too late")
    assert mailbox.take(0) is None


def test_many_writers_lose_nothing_but_what_is_counted():
    mailbox, taken = Mailbox(), []
    writers = [threading.Thread(target=lambda: [mailbox.put(1) for _ in range(500)]) for _ in range(4)]
    reader = threading.Thread(target=lambda: [taken.append(item) for item in iter(lambda: mailbox.take(0.3), None)])
    for thread in (reader, *writers):
        thread.start()
    for thread in (*writers, reader):
        thread.join(20)
    assert len(taken) + mailbox.dropped == 2000

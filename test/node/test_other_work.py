"""What others took of the processor is what all took, less one's own."""

from __future__ import annotations

import os

import pytest

from refit_ros.node.other_work import machine_used_s, others_share, used_s

STAT = "cpu  1000 200 300 9000 50 10 20 30 400 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


def test_what_was_used_holds_neither_idle_nor_waiting_time():
    assert used_s(STAT, 100) == pytest.approx(15.6)


def test_own_time_is_not_others(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert others_share(100.0, 130.0, 10.0, 20.0) == pytest.approx(0.5)
    assert others_share(100.0, 105.0, 10.0, 20.0) == 0.0
    assert others_share(None, 105.0, 10.0, 20.0) is None


def test_a_reading_can_be_had_or_is_none():
    reading = machine_used_s()
    assert reading is None or reading > 0

"""Malformed messages raise nothing, fill neither the log nor the memory, and keep no sound image from being used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not there")
pytest.importorskip("tf2_msgs.msg", reason="the messages of tf2 are not there")

sys.path.insert(0, str(Path(__file__).parent))

from messages import in_process  # noqa: E402


@pytest.mark.parametrize("seed", [1, 2])
def test_two_thousand_malformed_messages(seed, capsys):
    wrong = in_process(2000, seed, most_mib=100.0)  # the whole suite is in this process
    assert wrong == 0, capsys.readouterr().out

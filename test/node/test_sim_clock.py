"""A node that is to live in simulated time, and is not told any, says so."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import fake_model, start_kind  # noqa: E402

from refit_ros.node import sim_clock  # noqa: E402
from refit_ros.node.sim_clock import NO_CLOCK  # noqa: E402


@pytest.mark.parametrize("kind", ["refit", "edge", "fusion"])
def test_simulated_time_that_nobody_tells_is_told_once_in_the_log_and_in_the_diagnostics(bench, capfd, monkeypatch, kind):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from rosgraph_msgs.msg import Clock

    monkeypatch.setattr(sim_clock, "PATIENCE_S", 0.1)
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    start_kind(bench, kind, use_sim_time=True)
    bench.wait(lambda: sum(NO_CLOCK in array.status[0].message for array in arrays) >= 2, "it to be told")
    assert arrays[-1].status[0].level == DiagnosticStatus.WARN and capfd.readouterr().err.count(NO_CLOCK) == 1
    message = Clock()
    message.clock.sec = 7
    bench.publish("/clock", message)
    arrays.clear()

    def told_no_more() -> bool:
        bench.publish("/clock", message)
        return bool(arrays) and NO_CLOCK not in arrays[-1].status[0].message

    bench.wait(told_no_more, "the time to come")


def test_without_simulated_time_nothing_is_said(bench, monkeypatch):
    from diagnostic_msgs.msg import DiagnosticArray

    monkeypatch.setattr(sim_clock, "PATIENCE_S", -1.0)
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.start(fake_model())
    bench.wait(lambda: arrays, "diagnostics")
    assert not any(NO_CLOCK in array.status[0].message for array in arrays)

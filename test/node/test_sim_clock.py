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


def test_whoever_is_not_active_asks_nothing_of_the_clock(bench, monkeypatch):
    """A buffer of TF wants to know when the clock is set back: called after it has gone, that ends the program."""
    from rclpy.clock import JumpHandle

    asked, ask, take_back = [], JumpHandle.__init__, JumpHandle.unregister
    monkeypatch.setattr(JumpHandle, "__init__", lambda handle, **named: (asked.append(handle), ask(handle, **named))[1])
    monkeypatch.setattr(JumpHandle, "unregister", lambda handle: (asked.remove(handle), take_back(handle))[1])
    node = bench.start(fake_model(), activate=False, fixed_frame="map", use_sim_time=True)
    bench.within_spin(node.trigger_configure)
    before = len(asked)
    for _ in range(2):
        bench.within_spin(node.trigger_activate)
        assert len(asked) == before + 1
        bench.within_spin(node.trigger_deactivate)
        assert len(asked) == before


def test_a_clock_that_is_set_back_takes_the_transforms_along(bench):
    from geometry_msgs.msg import TransformStamped
    from rclpy.time import Time
    from rosgraph_msgs.msg import Clock
    from tf2_msgs.msg import TFMessage

    def tell(second: int) -> None:
        message = Clock()
        message.clock.sec = second
        bench.publish("/clock", message)
        bench.wait(lambda: node.get_clock().now().nanoseconds == second * 10**9, "the time to come")

    node = bench.start(fake_model(), fixed_frame="map", use_sim_time=True)
    tell(100)
    moving = TransformStamped(child_frame_id="arm")
    moving.header.frame_id, moving.header.stamp.sec = "map", 100
    node._transforms.take(TFMessage(transforms=[moving]))
    assert node._buffer.can_transform("map", "arm", Time())
    tell(99)
    assert not node._buffer.can_transform("map", "arm", Time())

"""Images over a topic of this process. No time is asserted."""

from __future__ import annotations

import pytest


@pytest.mark.ros
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_images_come_and_are_timed(encoding):
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from refit_ros.benchmarking.taking import taking_ms

    spent = taking_ms(64, 48, encoding, rounds=3)
    assert set(spent) == {"taken", "to RGB"} and all(ms > 0 for ms in spent.values())


@pytest.mark.ros
def test_where_nothing_comes_it_says_so_in_the_end(monkeypatch):
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from types import SimpleNamespace

    from refit_ros.benchmarking import taking

    monkeypatch.setattr(taking, "PATIENCE_S", 0.05)

    class Handle:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def take_message(self, kind, raw):
            return None

    nothing = SimpleNamespace(handle=Handle(), msg_type=None, raw=False)
    with pytest.raises(RuntimeError, match="no image came"):
        taking._publish_and_take(SimpleNamespace(publish=lambda message: None), nothing, None)

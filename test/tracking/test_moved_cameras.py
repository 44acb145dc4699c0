"""The cumulative sum of a camera's residuals: it takes seconds to blame a camera, at any rate, and forgives."""

from __future__ import annotations

import pytest

from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.moved_cameras import MovedCameras


def watched(rate_hz: float, seconds: float, residual_px: dict[str, float]) -> MovedCameras:
    moved = MovedCameras(20.0, 1.0, TrackerConfig())
    for index in range(round(seconds * rate_hz) + 1):
        moved.judge(residual_px, index / rate_hz)
    return moved


@pytest.mark.parametrize("rate_hz", [3.0, 10.0, 30.0])
def test_a_moved_camera_needs_its_seconds_and_is_trusted_again(rate_hz):
    bad = {"a": 60.0, "b": 5.0}
    early, late = watched(rate_hz, 0.67, bad), watched(rate_hz, 1.4, bad)
    assert early.reported == () and early.suspected == ("a",)
    assert late.reported == late.suspected == ("a",)
    late.judge({"b": 5.0}, 1.5)  # no evidence is no change
    assert late.reported == ("a",)
    for index in range(1, round(4 * rate_hz)):
        late.judge({"a": 4.0, "b": 5.0}, 1.5 + index / rate_hz)
    assert late.reported == late.suspected == ()


def test_one_mistaken_view_is_no_moved_camera():
    moved = watched(10.0, 1.0, {"a": 5.0, "b": 5.0})
    moved.judge({"a": 400.0, "b": 5.0}, 1.1)
    for index in range(20):
        moved.judge({"a": 5.0, "b": 5.0}, 1.2 + 0.1 * index)
        assert moved.reported == ()
    assert moved.suspected == ()


def test_only_the_worst_is_to_blame():
    assert watched(10.0, 3.0, {"a": 60.0, "b": 25.0, "c": 24.0}).suspected == ("a",)
    assert watched(10.0, 3.0, {"a": 60.0, "b": 60.0}).reported == ("a", "b")  # of two, nobody can say which


def test_honest_cameras_are_never_blamed():
    assert watched(30.0, 60.0, {"a": 9.0, "b": 9.9}).suspected == ()

"""Cameras that send more rarely than the timeout come into sets as others do, on a clock that the test moves."""

from __future__ import annotations

import pytest
from test_sets import Rig


@pytest.mark.parametrize("period_ms", [510, 700, 1030, 3000])
def test_cameras_that_send_more_rarely_than_the_timeout_come_into_one_set(period_ms):
    rig = Rig("ab", timeout_ms=500)
    sets = []
    for tick in range(30):
        for at_ms in range(tick * period_ms - period_ms + 10, tick * period_ms, 10):
            sets += filter(None, [rig.poll(at_ms)])
        for camera in "ab":
            sets += filter(None, [rig.add(camera, tick * period_ms)])
            assert tick < 4 or rig.builder.state(camera, tick * period_ms / 1e3) == "live"
    assert sets[-25:] == [["a", "b"]] * 25, "as soon as its interval is known"


def test_a_rare_camera_that_stops_is_soon_not_waited_for_nor_is_a_pause_of_a_fast_one_taken_for_its_rate():
    rig = Rig("ab", timeout_ms=500)
    for tick in range(10):
        rig.add("a", 1000 * tick)
    assert rig.builder.state("a", 9 + 2.4) == "live" and rig.builder.state("a", 9 + 2.6) == "silent"
    for at_ms in [20_000, 20_033, 20_066, 30_000, 30_033, 30_066]:
        rig.add("b", at_ms)
    assert rig.builder.state("b", 30.5) == "live" and rig.builder.state("b", 30.6) == "silent"
    for tick in range(10):
        rig.add("a", 60_000 + 30_000 * tick)
    assert rig.builder.state("a", 330 + 5.1) == "silent", "however rarely it sends"


def test_a_fast_camera_does_not_wait_all_the_time_for_a_rare_one():
    rig = Rig("ab", timeout_ms=500)
    waited = []
    for tick in range(400):
        at_ms = 25 * tick
        rig.poll(at_ms)
        if tick % 80 == 0:  # every two seconds
            rig.add("b", at_ms, at_ms=at_ms)
        waited += [at_ms % 2000] if rig.add("a", at_ms, at_ms=at_ms) is None and at_ms > 4000 else []
    assert waited and not [at_ms for at_ms in waited if 500 < at_ms < 1500]

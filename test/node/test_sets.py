"""Images into sets, on a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.node.boxes import FoundJoin
from refit_ros.node.sets import JUMP_NS, Frame, SetBuilder

MS = 1_000_000
START_NS = 1_700_000_000 * 10**9
CALIBRATION = Calibration("camera", "optical", 64, 48, np.eye(3))


def frame(camera: str, milliseconds: float) -> Frame:
    return Frame(camera, START_NS + round(milliseconds * MS), f"{camera}_optical", None, CALIBRATION)


class Rig:
    """A builder whose images arrive `delay_ms` after they were taken, unless told otherwise."""

    def __init__(self, cameras: str, slop_ms: float = 10, deadline_ms: float = 50, timeout_ms: float = 500) -> None:
        self.builder = SetBuilder(list(cameras), round(slop_ms * MS), deadline_ms / 1e3, timeout_ms / 1e3)

    def add(self, camera: str, milliseconds: float, at_ms: float | None = None):
        found = self.builder.add(frame(camera, milliseconds), (milliseconds + 5 if at_ms is None else at_ms) / 1e3)
        return names(found)

    def poll(self, at_ms: float):
        return names(self.builder.poll(at_ms / 1e3))

    def warm(self, cameras: str) -> None:
        """Every camera has been heard of."""
        for camera in cameras:
            self.add(camera, -100)
        while self.poll(-40):
            pass


def names(found) -> list[str] | None:
    return None if found is None else [each.camera for each in found.frames]


def test_one_camera_never_waits():
    rig = Rig("a")
    assert rig.add("a", 0) == ["a"] and rig.add("a", 33) == ["a"]
    assert rig.builder.next_deadline_s() is None


def test_a_set_is_emitted_when_the_last_camera_has_come_in_the_order_of_the_list():
    rig = Rig("abc")
    rig.warm("abc")
    assert rig.add("c", 0) is None and rig.add("a", 4) is None
    assert rig.add("b", 2) == ["a", "b", "c"]
    assert rig.builder.next_deadline_s() is None


@pytest.mark.parametrize("apart_ms, together", [(10, True), (10.000001, False)])
def test_the_slop_is_inclusive(apart_ms, together):
    rig = Rig("ab", slop_ms=10)
    rig.warm("ab")
    rig.add("a", 0)
    assert (rig.add("b", apart_ms) == ["a", "b"]) is together


def test_the_slop_bounds_the_whole_spread_not_the_distance_to_one():
    rig = Rig("abc", slop_ms=10)
    rig.warm("abc")
    rig.add("a", 0), rig.add("c", 16)
    assert rig.add("b", 8) is None  # 8 ms from both, which are 16 ms apart
    assert len(rig.poll(60)) == 2


def test_stamp_is_the_earliest_and_spread_the_distance_to_the_latest():
    rig = Rig("ab")
    rig.warm("ab")
    rig.builder.add(frame("b", 3), 0.005)
    found = rig.builder.add(frame("a", 0), 0.006)
    assert found.stamp_ns == START_NS and found.spread_ns == 3 * MS


def test_at_the_deadline_a_set_goes_with_what_has_come():
    rig = Rig("abc")
    rig.warm("abc")
    rig.add("a", 0, at_ms=5), rig.add("b", 0, at_ms=6)
    assert rig.builder.next_deadline_s() == pytest.approx(0.055)
    assert rig.poll(54) is None
    assert rig.poll(55) == ["a", "b"]
    assert rig.builder.next_deadline_s() is None


def test_a_camera_that_stays_away_is_not_waited_for_and_taken_back_at_once():
    rig = Rig("ab", timeout_ms=500)
    rig.warm("ab")
    assert rig.add("a", 0) is None and rig.poll(60) == ["a"]  # still waited for
    assert rig.add("a", 500) == ["a"]  # not any more
    assert rig.builder.state("b", 0.5) == "silent"
    assert rig.add("b", 533) is None and rig.add("a", 533) == ["a", "b"]  # it is back
    assert rig.builder.state("b", 0.54) == "live"


def test_a_camera_that_never_came_is_waited_for_in_the_beginning_only():
    rig = Rig("ab", timeout_ms=500)
    assert rig.add("a", 0) is None and rig.poll(60) == ["a"]
    assert rig.add("a", 600) == ["a"]
    assert rig.builder.state("b", 0.6) == "waiting"


def test_the_very_first_set_is_complete():
    rig = Rig("abc")
    assert rig.add("b", 0) is None and rig.add("a", 1) is None and rig.add("c", 2) == ["a", "b", "c"]


def test_an_image_that_comes_after_its_set_is_late():
    rig = Rig("ab")
    rig.warm("ab")
    rig.add("a", 0)
    before = rig.builder.counts("b")["late"]
    assert rig.poll(60) == ["a"]
    assert rig.add("b", 0, at_ms=80) is None and rig.builder.next_deadline_s() is None
    assert rig.builder.counts("b")["late"] == before + 1


def test_images_out_of_order_and_repeated_are_late():
    rig = Rig("a")
    rig.add("a", 100)
    assert rig.add("a", 100) is None and rig.add("a", 50) is None
    assert rig.builder.counts("a")["late"] == 2


def test_an_image_out_of_order_or_repeated_is_late_also_while_the_newer_one_waits_for_its_set():
    rig = Rig("ab")
    rig.warm("ab")
    before = rig.builder.counts("a")["late"]
    assert rig.add("a", 100) is None, "it waits for b"
    rig.add("a", 100), rig.add("a", 50)
    assert rig.builder.counts("a")["late"] == before + 2
    assert rig.add("b", 50) is None, "a's image of that time came too late for a set"


def test_what_waits_is_forgotten_with_the_clock_that_it_was_of():
    rig = Rig("ab", deadline_ms=60_000)
    rig.warm("ab")
    rig.add("a", 5000), rig.add("b", 5000)
    rig.add("a", 5033)  # waits for b when the bag begins anew
    found = [rig.add(camera, 33 * tick, at_ms=5066 + 33 * tick) for tick in range(5) for camera in "ab"]
    assert ["a", "b"] in found and rig.builder.restarts == 1
    assert rig.builder.next_deadline_s() is None, "nothing waits any more, not for a minute either"


def test_a_clock_set_back_begins_anew_and_says_so_once():
    rig = Rig("ab")
    rig.warm("ab")
    rig.add("a", 5000), rig.add("b", 5000)
    rig.add("a", 5033)  # waits for b when the bag begins anew
    restarted = []
    for tick in range(5):
        for camera in "ab":
            at_s = 5.066 + 0.033 * tick
            for found in (rig.builder.add(frame(camera, 33 * tick), at_s), rig.builder.poll(at_s)):
                if found is not None:
                    restarted.append((names(found), found.restarted))
    assert [flag for _, flag in restarted].count(True) == 1 and rig.builder.restarts == 1
    assert restarted[-1] == (["a", "b"], False)


def test_what_waited_when_the_clock_was_set_back_does_not_come_after_what_is_new():
    rig = Rig("ab", deadline_ms=300)
    rig.warm("ab")
    rig.add("a", 5000), rig.add("b", 5000)
    rig.add("a", 5033)  # waits for b, which has stopped, when the bag begins anew
    stamps = []
    for tick in range(30):
        at_s = 5.066 + 0.033 * tick
        for found in (rig.builder.add(frame("a", 33 * tick), at_s), rig.builder.poll(at_s)):
            stamps += [] if found is None else [found.stamp_ns]
    assert rig.builder.restarts == 1 and stamps[1:] == sorted(stamps[1:])


def test_a_clock_set_forward_is_believed_once_further_stamps_confirm_it():
    rig = Rig("a")
    rig.add("a", 0)
    found = [rig.builder.add(frame("a", 3_600_000 + 33 * tick), 0.04 + 0.033 * tick) for tick in range(4)]
    assert [names(each) for each in found] == [None, None, ["a"], ["a"]] and not any(each.restarted for each in found[2:])


@pytest.mark.parametrize("off_s", [5 * 365 * 86400, 3, -3, -86400])
@pytest.mark.parametrize("glitches", [1, 2])
def test_stamps_that_go_wrong_for_a_moment_are_no_new_clock(off_s, glitches):
    rig = Rig("a")
    found = []
    for tick in range(30):
        wrong = 10 <= tick < 10 + glitches
        found.append(rig.builder.add(frame("a", 33 * tick + 1e3 * off_s * wrong), 0.033 * tick))
    assert [tick for tick, each in enumerate(found) if each is None] == list(range(10, 10 + glitches))
    assert rig.builder.restarts == 0 and rig.builder.counts("a")["stamps doubted"] == glitches
    assert rig.builder.state("a", 1.0) == "live"


@pytest.mark.parametrize("rate", [0.1, 1, 20])
def test_pauses_stalls_and_fast_playing_are_no_new_clock(rate):
    """A bag at another rate, paused for a minute, and a camera whose images stall on the way for three seconds."""
    rig, at_s, stamp_ms = Rig("a"), 0.0, 0.0
    for tick in range(200):
        at_s += 0.033 / rate
        stamp_ms += 33
        if tick == 50:
            at_s += 60
        if tick == 100:
            at_s += 3
        if tick == 105:
            stamp_ms += 3000
        assert names(rig.builder.add(frame("a", stamp_ms), at_s)) == ["a"]
    assert rig.builder.counts("a")["stamps doubted"] == 0


@pytest.mark.parametrize("wrong_s", [-3600, 3600])
def test_one_camera_with_a_wrong_clock_neither_delays_nor_restarts_the_others(wrong_s):
    rig = Rig("abc")
    emitted = []
    for tick in range(60):
        at_s = 0.033 * tick
        for camera, shift_s in (("a", 0), ("b", 0), ("c", wrong_s)):
            for found in (rig.builder.add(frame(camera, 33 * tick + 1e3 * shift_s), at_s), rig.builder.poll(at_s)):
                if found is not None:
                    emitted.append((tick, names(found), found.restarted))
    assert not any(flag for _, _, flag in emitted)
    assert [(tick, cameras) for tick, cameras, _ in emitted if tick >= 2] == [(tick, ["a", "b"]) for tick in range(2, 60)]


@pytest.mark.parametrize("wrong_s", [-3600, 3600])
def test_while_the_others_stall_one_camera_with_a_wrong_clock_is_not_taken_for_them(wrong_s):
    rig = Rig("abc")
    emitted = []
    for tick in range(20):
        at_s = 0.033 * tick
        for camera, shift_s in (("a", 0), ("b", 0), ("c", wrong_s)):
            if tick < 10 or camera == "c":
                rig.builder.add(frame(camera, 33 * tick + 1e3 * shift_s), at_s)
            while (found := rig.builder.poll(at_s)) is not None:
                emitted.append((tick, names(found)))
    assert [cameras for tick, cameras in emitted if tick >= 10] == [], "a and b are live for half a second yet"


def test_a_camera_always_out_of_step_is_soon_not_waited_for():
    """Its images lie 16 ms from the other's, more than the slop: the first camera goes on at its own time."""
    rig = Rig("ab", slop_ms=5)
    waited = 0
    for tick in range(200):
        rig.add("b", 33 * tick + 16)
        if tick > 30 and rig.add("a", 33 * tick + 33) is None:
            waited += 1
        rig.poll(33 * tick + 40)
    assert rig.builder.state("b", 6.6) == "out of step"
    assert waited < 60


def test_cameras_of_different_rates():
    rig = Rig("ab")
    rig.warm("ab")
    sets = []
    for tick in range(60):
        at = 33 * tick
        for camera in "ab" if tick % 3 == 0 else "a":
            sets += filter(None, [rig.poll(at), rig.add(camera, at, at_ms=at + 1)])
    assert sets.count(["a", "b"]) == 20 and sets.count(["a"]) >= 19


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_stamps_of_sets_grow_and_nothing_is_used_twice(seed):
    rng = np.random.default_rng(seed)
    rig, used, last_ns = Rig("abcd", slop_ms=15), set(), -1
    clock = np.zeros(4)
    at_ms = 0.0
    for _ in range(2000):
        camera = int(rng.integers(4))
        at_ms += rng.exponential(8)
        clock[camera] = np.clip(clock[camera] + rng.normal(30, 20), at_ms - 80, at_ms + 80)
        found = [rig.builder.add(frame("abcd"[camera], clock[camera]), at_ms / 1e3)]
        while (more := rig.builder.poll(at_ms / 1e3)) is not None:
            found.append(more)
        for each in filter(None, found):
            assert each.spread_ns <= 15 * MS and last_ns < each.stamp_ns
            last_ns = each.stamp_ns
            for one in each.frames:
                assert (one.camera, one.stamp_ns) not in used
                used.add((one.camera, one.stamp_ns))
    assert len(used) > 200


def test_what_does_not_grow_older_than_a_set_is_not_kept_for_later():
    """Images far ahead of the sets that go out would wait there for as long as their clock is ahead."""
    rig = Rig("ab")
    for tick in range(40):
        rig.builder.add(frame("b", 33 * tick + 3_600_000), 0.033 * tick)
        rig.builder.add(frame("a", 33 * tick), 0.033 * tick)
        rig.builder.poll(0.033 * tick)
    assert not rig.builder._cameras["b"].pending


def test_jump_is_longer_than_any_slop():
    from refit_ros.node.parameters import table

    slop = next(entry for entry in table() if entry.name == "sync_slop_s")
    assert slop.metadata["maximum"] * 1e9 <= JUMP_NS


BOXES = Boxes(np.array([[1.0, 2, 3, 4]]), np.ones(1))


def test_boxes_find_their_image_whichever_comes_first():
    join = FoundJoin(wait_s=0.1)
    assert join.add_frame(frame("a", 0), 0.0) == []
    assert [f.boxes for f in join.add_found(START_NS, BOXES, 0.05)] == [BOXES]
    assert join.add_found(START_NS + 33 * MS, BOXES, 0.06) == []
    assert [f.boxes for f in join.add_frame(frame("a", 33), 0.07)] == [BOXES]
    assert join.next_deadline_s() is None


def test_a_image_without_boxes_goes_on_after_the_wait():
    join = FoundJoin(wait_s=0.1)
    join.add_frame(frame("a", 0), 0.0)
    assert join.next_deadline_s() == pytest.approx(0.1) and join.poll(0.09) == []
    assert [f.boxes for f in join.poll(0.1)] == [None]


def test_boxes_of_a_newer_image_pass_the_older_ones_by():
    join = FoundJoin(wait_s=1.0)
    for milliseconds in (0, 33, 66):
        join.add_frame(frame("a", milliseconds), milliseconds / 1e3)
    assert [f.stamp_ns for f in join.add_found(START_NS + 33 * MS, BOXES, 0.07)] == [START_NS + 33 * MS]
    assert [f.stamp_ns for f in join.poll(2.0)] == [START_NS + 66 * MS]

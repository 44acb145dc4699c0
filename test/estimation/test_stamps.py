"""When the next set of images is expected, and which time stands for one that came."""

import numpy as np
import pytest

from refit_ros.estimation.stamps import JITTER_S, STEPS, StampGrid


def through(*stamps_s):
    grid = StampGrid()
    return grid, [grid.taken(stamp_s) for stamp_s in stamps_s]


def test_the_first_stand_for_themselves_and_whoever_is_on_time_for_when_they_were_expected():
    grid, times = through(10.0, 10.1, 10.2 + 0.9 * JITTER_S)
    assert grid.next_s == pytest.approx(10.3, abs=JITTER_S)
    assert times == [(-np.inf, 10.0), (10.0, 10.1), (10.1, pytest.approx(10.2))]
    assert StampGrid().next_s is None and through(5.0)[0].next_s is None


@pytest.mark.parametrize("off_s", [1.1 * JITTER_S, -1.1 * JITTER_S, 0.1])
def test_whoever_is_not_on_time_stands_for_themselves(off_s):
    _, times = through(1.0, 1.1, 1.2 + off_s)
    assert times[-1] == (1.1, 1.2 + off_s)


def test_whoever_was_on_time_some_times_running_can_be_relied_on():
    grid, _ = through(0.0, 0.1)
    steady = []
    for stamp_s in (0.2, 0.3, 0.4, 0.5, 0.6 + 2 * JITTER_S, 0.7, 0.8, 0.9, 1.0):
        grid.taken(stamp_s)
        steady.append(grid.is_steady)
    assert steady == [False, False, True, True, False, False, False, False, True]


def test_one_that_is_missed_does_not_change_the_interval():
    grid, _ = through(*(0.1 * index for index in range(STEPS + 1)), 0.1 * (STEPS + 2))
    assert grid.next_s == pytest.approx(0.1 * (STEPS + 3))


def test_time_never_falls_and_stamps_that_stand_still_are_no_step():
    grid, times = through(1.0, 1.1, 1.2 - 0.9 * JITTER_S, 1.2 - 0.8 * JITTER_S, 1.2 - 0.8 * JITTER_S)
    assert all(now >= before for before, now in times)
    assert grid.next_s > 1.2
    assert through(1.0, 1.0)[0].next_s is None


def test_what_jitters_on_and_on_does_not_drift_away():
    stamps_s = 0.1 * np.arange(200) + np.random.default_rng(0).uniform(-0.4, 0.4, 200) * JITTER_S
    _, times = through(*stamps_s)
    assert np.abs(np.array([now for _, now in times]) - stamps_s).max() <= JITTER_S

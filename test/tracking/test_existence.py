"""The odds that there is anybody: the same after a second at every rate, and soon lost by what is no person."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.tracking import existence
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.existence import LogOdds

CONFIG, UNKNOWN = TrackerConfig(), LogOdds()


def after(seconds: float, rate_hz: float, heard: float = 0.0, watched: float = 0.0, odds: LogOdds = UNKNOWN) -> float:
    for _ in range(round(seconds * rate_hz)):
        weight = existence.discount(1 / rate_hz, CONFIG)
        odds = odds.hearing(weight * heard, CONFIG).watching(weight * watched, CONFIG)
    return odds.total


SURE = LogOdds(CONFIG.most_heard, CONFIG.most_watched)


def test_a_second_says_the_same_at_every_rate_above_that_of_the_evidence():
    missed = existence.missed(CONFIG.recall)
    assert after(1.0, 30, missed) == pytest.approx(after(1.0, 10, missed))
    assert after(1.0, 30, missed) == pytest.approx(missed / CONFIG.evidence_memory_s)
    assert after(2.0, 1.0, missed) == pytest.approx(2 * missed)  # each look by itself, where looks are seldom


def test_furniture_does_not_last_however_often_it_is_found():
    """What changes its pose by three sigma from look to look loses its id within a second; a person keeps it."""
    found = existence.seen(CONFIG.recall, CONFIG)
    assert after(1.2, 10, found, existence.still_there(9.0, CONFIG), SURE) < CONFIG.delete_log_odds
    assert after(1.0, 10, found, existence.still_there(1.0, CONFIG)) > CONFIG.confirm_log_odds


def test_who_leaves_is_missed_within_seconds_and_who_is_hidden_is_not():
    assert after(1.5, 10, existence.missed(0.85), odds=SURE) < CONFIG.delete_log_odds
    assert after(1.5, 10, existence.missed(0.05), odds=SURE) > CONFIG.confirm_log_odds


def test_nothing_is_certain():
    for probability in (0.0, 1.0):
        assert np.isfinite(existence.missed(probability)) and np.isfinite(existence.seen(probability, CONFIG))
    assert after(60.0, 10, 1e9, 1e9) == SURE.total
    assert existence.discount(0.0, CONFIG) == existence.discount(-1.0, CONFIG) == 0.0

"""Who is whom, and what ids are worth, on people whose places are known; motmetrics counts the same."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.evaluation.matching import SAME_PERSON_M, Identities, distances_m, match


def at(*places_m: float) -> list[np.ndarray]:
    """Bodies at these places along a line."""
    shape = np.random.default_rng(0).normal(size=(24, 3))
    return [shape + [place, 0, 0] for place in places_m]


def run(sets, seconds: float = 0.1) -> Identities:
    """Sets of ({id: place}, {true id: place}); everybody is in view."""
    identities = Identities()
    for estimates, truth in sets:
        places, true_places = at(*estimates.values()), at(*truth.values())
        identities.step(list(estimates), places, list(truth), true_places, [True] * len(truth), seconds)
    return identities


def test_the_nearest_are_matched_together_and_the_far_not_at_all():
    distance_m = distances_m(at(1.0, 0.0, 5.0), at(0.1, 0.9))
    assert match(distance_m) == [(0, 1), (1, 0)]
    assert match(distances_m(at(SAME_PERSON_M + 0.01), at(0.0))) == []
    assert match(distances_m([], at(0.0))) == match(distances_m(at(0.0), [])) == []


def test_whoever_was_taken_for_a_person_stays_theirs_while_near():
    sets = [({7: 0.0, 8: 0.6}, {1: 0.0, 2: 0.6}), ({7: 0.35, 8: 0.25}, {1: 0.0, 2: 0.6})]
    assert run(sets).switches == 0  # the nearest alone would have exchanged them
    assert run([*sets, ({7: 2.6, 8: 0.0}, {1: 0.0, 2: 2.6})]).switches == 2


def test_one_second_is_one_second_at_every_rate():
    for rate in (3, 10, 30):
        truth = {1: 0.0, 2: 4.0}
        counted = run([({7: 0.0, 9: 9.0}, truth)] * rate, 1 / rate)
        assert (counted.extra_s, counted.missed_s, counted.true_s) == pytest.approx((1, 1, 2))
        assert counted.idf1 == pytest.approx(2 * 1 / (2 + 2))


def test_nobody_is_missed_who_is_out_of_view():
    identities = Identities()
    identities.step([], [], [1], at(0.0), [False], 1.0)
    identities.step([5], at(0.1), [1], at(0.0), [False], 1.0)
    assert (identities.missed_s, identities.extra_s, identities.true_s) == (0, 0, 0) and np.isnan(identities.idf1)
    identities.step([6], at(0.1), [1], at(0.0), [True], 1.0)
    assert identities.switches == 1 and identities.idf1 == 1.0  # back under another id


def test_motmetrics_counts_the_same():
    motmetrics = pytest.importorskip("motmetrics")
    rng = np.random.default_rng(3)
    sets = []
    for _ in range(120):  # three who walk about, ids that come, go and are exchanged
        places = rng.uniform(0, 3, 3)
        ids = rng.permutation([7, 8, 9, 10])[: rng.integers(1, 5)]
        sets.append((dict(zip(ids.tolist(), rng.uniform(0, 3, 4))), dict(enumerate(places))))
    tracks = motmetrics.MOTAccumulator(auto_id=True)
    for estimates, truth in sets:
        distance_m = distances_m(at(*truth.values()), at(*estimates.values()))
        tracks.update(list(truth), list(estimates), np.where(distance_m > SAME_PERSON_M, np.nan, distance_m))
    names = ["idf1", "num_switches", "num_misses", "num_false_positives"]
    theirs = motmetrics.metrics.create().compute(tracks, metrics=names, name="run").iloc[0]
    ours = run(sets, seconds=1.0)
    assert ours.switches == theirs.num_switches
    assert ours.idf1 == pytest.approx(theirs.idf1)
    assert (ours.missed_s, ours.extra_s) == (theirs.num_misses, theirs.num_false_positives)

"""Numbers that stay: births, deaths, re-entry, doubles."""

from __future__ import annotations

import numpy as np

from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Pose
from refit_ros.estimation.track import Tracks, assign


def pose(x: float, y: float = 0.0) -> Pose:
    joints = np.random.default_rng(0).normal(0, 0.3, (24, 3))
    joints += [x, y, 1] - joints[0]
    return Pose(np.tile(np.eye(3), (24, 1, 1)), np.zeros(10), joints[0] - 0.1, joints)


def test_born_after_enough_hits_and_dead_after_enough_time():
    tracks = Tracks(Settings(birth_hits=3, death_s=0.5, reentry_s=2.0))
    (track,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
    assert track.number is None
    for number in (1, 2):
        tracks.hit(track, number * 0.3)
    tracks.number_the_sure()
    assert track.number == 1
    track.lost = True
    tracks.bury(1.0)
    assert tracks.alive == [track]
    tracks.bury(1.2)
    assert tracks.alive == []
    (again,) = tracks.adopt([pose(0.5)], [0.9], [False], 1.6)  # near where he went, soon enough
    assert again.number == 1 and tracks.alive == [again]


def test_somebody_seen_for_a_moment_is_not_waited_for_longer_than_a_moment():
    tracks = Tracks(Settings(birth_hits=2, death_s=1.0))
    (track,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
    tracks.hit(track, 0.1)
    tracks.number_the_sure()
    assert track.number == 1
    tracks.bury(0.3)
    assert tracks.alive == [track]
    tracks.bury(0.4)
    assert tracks.alive == []


def test_a_newcomer_who_is_contradicted_must_be_seen_more_often():
    tracks = Tracks(Settings(birth_hits=2))
    plain, doubted = tracks.adopt([pose(0), pose(2)], [0.9, 0.9], [False, True], 0.0, caution=[1, 3])
    for step in range(1, 5):
        tracks.hit(plain, 0.1 * step)
        tracks.hit(doubted, 0.1 * step)
        tracks.number_the_sure()
        assert plain.number == 1 and doubted.number is None
    tracks.hit(doubted, 0.5)
    tracks.number_the_sure()
    assert doubted.number == 2


def test_back_too_late_or_too_far_is_somebody_else():
    for where, when in ((0.1, 9.0), (6.0, 1.0)):
        tracks = Tracks(Settings(birth_hits=1, death_s=0.2, reentry_s=3.0))
        (first,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
        tracks.number_the_sure()
        first.lost = True
        tracks.bury(0.5)
        tracks.bury(when)
        (other,) = tracks.adopt([pose(where)], [0.9], [False], when)
        tracks.number_the_sure()
        assert (first.number, other.number) == (1, 2)


def test_two_lost_people_are_told_apart_by_the_least_total_distance():
    tracks = Tracks(Settings(birth_hits=1))
    a, b = tracks.adopt([pose(0), pose(1.0)], [0.9, 0.9], [False, False], 0.0)
    a.lost = b.lost = True
    # Nearest first would give the newcomer at 0.45 to a, and leave b without anybody near.
    one, other = tracks.adopt([pose(0.45), pose(-0.5)], [0.9, 0.9], [False, False], 0.1)
    assert one is b and other is a


def test_unsure_ones_vanish_and_doubles_become_one():
    tracks = Tracks(Settings(birth_hits=2))
    (track,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
    track.lost = True
    tracks.bury(0.1)
    assert tracks.alive == []
    (first,) = tracks.adopt([pose(0)], [0.9], [False], 0.2)
    tracks.hit(first, 0.3)
    tracks.number_the_sure()
    tracks.adopt([pose(0.1)], [0.9], [False], 0.4)
    tracks.bury(0.4)
    assert tracks.alive == [first] and first.number == 1


def test_prediction_walks_on_and_stops():
    tracks = Tracks(Settings())
    (track,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
    for step in range(1, 20):
        track.take(pose(0.1 * step), 0.1 * step)
    assert abs(track.predicted(2.0).joints[0, 0] - 2.0) < 0.06
    assert track.predicted(60.0).joints[0, 0] < 2.6


def test_no_velocity_is_learned_from_a_leap():
    tracks = Tracks(Settings())
    (track,) = tracks.adopt([pose(0)], [0.9], [False], 0.0)
    track.note_steps(wanders=True)
    track.take(pose(1.5), 0.1)
    assert track.predicted(0.6).joints[0, 0] == 1.5


def test_boxes_are_assigned_as_a_whole():
    expected = np.array([[0, 0, 100, 200], [60, 0, 160, 200]], float)
    found = np.array([[50, 0, 150, 200], [-20, 0, 80, 200]], float)
    assert assign(expected, found, 640, 480) == {0: 1, 1: 0}
    assert assign(expected, np.array([[400, 0, 500, 200]], float), 640, 480) == {}
    assert assign(np.zeros((0, 4)), found, 640, 480) == {}


def test_what_is_never_where_it_was_gets_no_number_and_loses_one():
    tracks = Tracks(Settings(birth_hits=2))
    jumper, walker = tracks.adopt([pose(0), pose(3)], [0.9, 0.9], [True, True], 0.0)
    for step in range(1, 6):
        for track in (jumper, walker):
            tracks.hit(track, 0.1 * step)
            track.note_steps(track is jumper)
        tracks.number_the_sure()
    assert jumper.number is None and walker.number == 1
    for step in range(6):
        assert walker in tracks.alive
        walker.note_steps(step != 0)
        tracks.drop_wanderers()
    assert walker not in tracks.alive

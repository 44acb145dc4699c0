"""Ids that stay: births, deaths, coming back, and two tracks on one person."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracle import Actor, Oracle, Stage, ring

from refit_ros.camera.views import usable
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.lifecycle import Everybody, admitted, managed
from refit_ros.estimation.pose_estimation import Newcomer
from refit_ros.estimation.settings import Settings
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.existence import LogOdds

SETTINGS = Settings(detector="topic", smoothing=0.0)


class Following:
    """An estimator over a stage, set by set."""

    def __init__(self, stage: Stage, settings: Settings = SETTINGS, rate_hz: float = 10.0) -> None:
        self.stage, self.estimator, self.rate_hz, self.count = stage, Estimator(Oracle(stage), settings), rate_hz, 0

    def ids(self, sets: int = 1) -> list[int]:
        """After so many more sets."""
        for _ in range(sets):
            people = self.estimator.estimate(self.stage.views(self.count / self.rate_hz))
            self.count += 1
        return [person.id for person in people.people]


@pytest.mark.parametrize("hits", [1, 2, 5])
def test_an_id_after_birth_hits_images_of_one_camera(hits):
    following = Following(Stage([Actor((0, 0), seed=1)], ring(1)), replace(SETTINGS, birth_hits=hits))
    assert [following.ids() for _ in range(hits)] == [[]] * (hits - 1) + [[1]]


@pytest.mark.parametrize("hits, sets", [(2, 1), (3, 1), (4, 2), (7, 3)])
def test_images_of_several_cameras_count_each(hits, sets):
    following = Following(Stage([Actor((0, 0), seed=1)], ring(3)), replace(SETTINGS, birth_hits=hits))
    assert [following.ids() for _ in range(sets)] == [[]] * (sets - 1) + [[1]]


@pytest.mark.parametrize("rate_hz", [3.0, 10.0, 30.0])
def test_gone_after_a_second_at_every_rate_and_back_with_the_same_id(rate_hz):
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    following = Following(stage, replace(SETTINGS, death_s=1.0, reentry_s=3.0), rate_hz)
    assert following.ids(round(2 * rate_hz)) == [1]
    stage.absent.add(0)
    assert following.ids(round(1.4 * rate_hz)) == []
    stage.absent.clear()
    assert following.ids(round(rate_hz)) == [1]


def test_no_more_people_than_wanted_whoever_each_camera_sees_best():
    stage = Stage([Actor((-1.2, 0), seed=1), Actor((0, 1.2), seed=2), Actor((1.2, 0), seed=3)], ring(3))
    assert len(Following(stage).ids(4)) == 3
    for most in (1, 2):
        following = Following(stage, replace(SETTINGS, max_people=most))
        assert [len(following.ids()) for _ in range(8)][2:] == [most] * 6


def test_back_too_late_is_somebody_else():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    following = Following(stage, replace(SETTINGS, death_s=0.5, reentry_s=1.0))
    assert following.ids(10) == [1]
    stage.absent.add(0)
    following.ids(15)
    stage.absent.clear()
    assert following.ids(10) == [2]


def test_somebody_whom_most_cameras_should_see_and_do_not_is_not_born():
    stage = Stage([Actor((0, 0), seed=1)], ring(4))
    stage.hidden = {(0, camera) for camera in (1, 2, 3)}
    assert Following(stage).ids(20) == []


def test_one_camera_of_two_is_believed_later_than_both():
    counts = {}
    for hidden in ((), ((0, 1),)):
        stage = Stage([Actor((0, 0), seed=1)], ring(2))
        stage.hidden = set(hidden)
        following = Following(stage)
        counts[hidden] = next((count for count in range(1, 40) if following.ids()), 40)
    assert counts[()] == 1 < counts[((0, 1),)] < 40


def test_nobody_is_born_where_somebody_stands_whom_other_cameras_see():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    following = Following(stage)
    seen, poses = [], following.estimator._poses
    following.estimator._poses = lambda *given: seen.append(poses(*given)) or seen[-1]
    assert following.ids(5) == [1]
    everybody, cameras, estimate = following.estimator._everybody, usable(stage.views(0.5), True)[0], seen[-1].followed[0]
    alone = Newcomer(replace(estimate, views=estimate.views[2:]), 0.9, frozenset([2]))
    others = replace(estimate, views=estimate.views[:2])
    pose = estimate.pose
    for off_m, born in ((0.15, False), (0.3, True)):
        moved = replace(pose, joints=pose.joints + [off_m, 0, 0], transl=pose.transl + [off_m, 0, 0])
        new = replace(alone, estimate=replace(alone.estimate, pose=moved))
        found, _ = admitted(everybody, [(new, 3.0)], cameras, 0.5, DEFAULT, [others])
        assert (len(found.tracks) == len(everybody.tracks) + 1) == born


def test_two_tracks_on_one_person_become_one():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    following = Following(stage)
    following.ids(10)
    estimator = following.estimator
    (track,) = estimator._everybody.tracks
    double = replace(track, key=99, id=2, log_odds=LogOdds(DEFAULT.confirm_log_odds, 0.0))
    estimator._everybody = replace(estimator._everybody, tracks=(track, double), next_id=3)
    assert following.ids(15) == [1]


def test_furniture_loses_its_id():
    """A body whose pose is another one in every set is nobody, however often a detector finds it."""
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    following = Following(stage)
    assert following.ids(10) == [1]
    following.estimator._solver.network.noise = (1.2, 3.0, 0.06)  # rad, px, of the depth
    assert following.ids(20) == []


def test_ids_are_never_given_twice():
    everybody = Everybody(next_id=7)
    assert managed(everybody, 100.0, SETTINGS, DEFAULT).next_id == 7


def test_one_whom_two_cameras_follow_as_two_becomes_one():
    """Each of the two tracks in a camera of its own: in one place, in one pose, and in no image both."""
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    following = Following(stage)
    following.ids(10)
    estimator = following.estimator
    (track,) = estimator._everybody.tracks
    blind = [replace(track, in_sight={name: -2.0}) for name in ("cam1", "cam0")]
    pair = blind[0], replace(blind[1], key=99, id=2, log_odds=LogOdds(DEFAULT.confirm_log_odds, 0.0))
    estimator._everybody = replace(estimator._everybody, tracks=pair, next_id=3)
    assert following.ids(20) == [1]

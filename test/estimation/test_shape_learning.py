"""A person's shape is learned from estimates that were accepted, each once: not from what was tried on the way there."""

import numpy as np
from oracle import Actor, Oracle, Stage, ring

from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.pose_association import Association
from refit_ros.estimation.settings import Settings


def watched(sets: int, change) -> Estimator:
    """An estimator that has seen one walker with two cameras for `sets` sets; `change(estimator)` before the last one."""
    stage = Stage([Actor((-1, 0.5), (0.7, 0), 1)], ring(2))
    estimator = Estimator(Oracle(stage), Settings(detector="topic", smoothing=0.5))
    for index in range(sets):
        if index == sets - 1:
            change(estimator)
        estimator.estimate(stage.views(index * 0.1))
    return estimator


def shape_of(estimator: Estimator):
    (track,) = estimator._everybody.tracks
    return track.shape


def weight_after(sets: int, change=lambda estimator: None) -> float:
    return shape_of(watched(sets, change)).weight


def solve_twice(estimator: Estimator) -> None:
    solve = estimator._poses._solve
    estimator._poses._solve = lambda *args: (solve(*args), solve(*args))[1]


def refuse_all(estimator: Estimator) -> None:
    """What the crops show is nobody's."""
    nobody = Association({}, {0: (0, 1)}, {}, ())
    estimator._poses._newcomers = lambda *args: ()
    solve = estimator._poses._placed
    estimator._poses._placed = lambda frame, views, pairs: solve(frame, {}, nobody)


def test_an_estimate_counts_once_however_often_it_was_solved():
    assert weight_after(6) == weight_after(5) + 2  # two views
    assert weight_after(6, solve_twice) == weight_after(6)


def test_a_refused_estimate_teaches_nothing():
    accepted, refused = shape_of(watched(5, lambda estimator: None)), shape_of(watched(6, refuse_all))
    assert refused.weight == accepted.weight
    np.testing.assert_array_equal(refused.mean, accepted.mean)

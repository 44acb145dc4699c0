"""A body is given once, nobody takes what is beyond the gate, and the hidden lose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.tracking.association import assign, margins
from refit_ros.tracking.measurement import belief, surprise

DENSITY = surprise(9.0, 4)


def test_the_whole_is_assigned_not_the_first_best():
    squared = np.array([[1.0, 1.2], [0.5, 8.0]])  # the second one can only have the first body
    assert assign(squared, np.array([0.9, 0.9]), DENSITY, 4) == {0: 1, 1: 0}


def test_a_body_is_given_once_and_the_hidden_one_goes_without():
    squared = np.array([[0.5], [0.4]])
    assert assign(squared, np.array([0.95, 0.1]), DENSITY, 4) == {0: 0}
    assert assign(squared, np.array([0.1, 0.95]), DENSITY, 4) == {1: 0}


@pytest.mark.parametrize(("squared", "taken"), [(1.0, True), (8.0, True), (60.0, False)])
def test_beyond_the_gate_it_is_somebody_else(squared, taken):
    assert bool(assign(np.array([[squared]]), np.array([0.5]), DENSITY, 4)) == taken


def test_nobody_and_nothing():
    assert assign(np.zeros((0, 3)), np.zeros(0), DENSITY, 4) == {}
    assert assign(np.zeros((2, 0)), np.ones(2), DENSITY, 4) == {}


def test_a_mistake_counts_less_the_larger_it_is():
    steps = np.diff([surprise(value, 4) for value in (0.0, 10.0, 20.0, 30.0)])
    assert (steps > 0).all() and (np.diff(steps) < 0).all() and surprise(0.0, 4) == 0
    assert belief(np.array([0.0]))[0] == 1 and belief(np.array([40.0]))[0] < 0.1


def test_the_margin_is_small_where_two_could_be_exchanged():
    clear = np.array([[0.1, 90.0], [90.0, 0.1]])
    doubtful = np.array([[1.0, 1.2], [1.1, 1.0]])
    seen = np.full(2, 0.9)
    assert (margins(doubtful, seen, 8.0, 4) < 0.5).all() and (margins(clear, seen, 8.0, 4) > 5).all()
    assert margins(np.zeros((2, 0)), seen, 8.0, 4).tolist() == [0, 0]

"""Who takes over knows whom the other followed, where there is no doubt."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.tracking.handover import LONGEST_S, Handover


def places(**by_number) -> dict[int, np.ndarray]:
    return {int(name[1:]): np.array([x, y, 0.9]) for name, (x, y) in by_number.items()}


def followed(seconds: float = 1.0) -> Handover:
    """5 walks along x at 1 m/s and is at 1.0 in the end; 8 stands at (0, 3)."""
    handover = Handover()
    for stamp_s in np.linspace(100 - seconds, 100, 11):
        handover.heard(float(stamp_s), places(p5=(1 + stamp_s - 100, 0), p8=(0, 3)))
    return handover


def test_people_are_found_again_where_they_have_walked_on_to():
    assert followed().whose(101.2, places(p1=(0.1, 3.05), p2=(2.2, 0.1))) == {1: 8, 2: 5}


def test_who_stands_where_nobody_was_expected_is_new():
    # 1.3 m beyond the place at the last sight: it takes the velocity to tell.
    assert followed().whose(101.2, places(p1=(-0.2, 0))) == {}
    assert followed().whose(101.2, places(p1=(0.1, 3.05), p2=(4.5, 4.5))) == {1: 8}


def test_in_doubt_nobody_is_taken_for_another():
    assert followed().whose(100.5, places(p1=(0.05, 3), p2=(-0.05, 3))) == {}  # two people where one was expected
    handover = Handover()
    handover.heard(100.0, places(p5=(0, 0), p8=(0.6, 0)))
    assert handover.whose(100.1, places(p1=(0.3, 0))) == {}  # one person between two that were expected
    assert handover.whose(100.1, places(p1=(0.1, 0))) == {1: 5}


def test_who_has_got_another_id_since_has_no_other():
    handover = followed()
    handover.heard(100.1, places(p5=(1.1, 0), p9=(0.1, 3)))  # 8 was lost and found again
    assert handover.whose(100.2, places(p1=(0.05, 3), p2=(1.2, 0))) == {1: 9, 2: 5}


def test_who_is_hidden_for_a_moment_is_still_remembered():
    handover = followed()
    handover.heard(100.1, places(p5=(1.1, 0)))
    assert handover.whose(100.2, places(p1=(0, 3))) == {1: 8}


def test_everybody_is_given_once():
    handover = followed()
    assert handover.whose(100.1, places(p1=(0, 3))) == {1: 8}
    assert handover.whose(100.2, places(p2=(0, 3))) == {}


@pytest.mark.parametrize("later_s", (LONGEST_S + 0.1, 1000.0))
def test_nobody_is_remembered_for_ever(later_s):
    assert followed().whose(100 + later_s, places(p1=(0, 3))) == {}


def test_a_clock_set_back_forgets():
    handover = followed()
    handover.heard(10.0, places(p5=(3, 3)))
    assert handover.whose(10.1, places(p1=(0, 3), p2=(3, 3))) == {2: 5}

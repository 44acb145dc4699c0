"""Ids are given once."""

from __future__ import annotations

from refit_ros.node.ids import Ids


def test_an_estimator_that_counts_from_one_again_does_not_give_an_id_twice():
    ids = Ids()
    assert ids.outward([1, 2]) == [1, 2]
    ids.begin_anew()
    assert ids.outward([]) == [] and ids.outward([1]) == [3] and ids.outward([1, 2]) == [3, 4]
    assert ids.inward(4) == 2 and ids.inward(-1) == -1
    ids.begin_anew()
    assert ids.outward([1]) == [5]


def test_an_estimator_that_counts_on_is_left_alone():
    ids = Ids()
    ids.outward([1, 2])
    ids.begin_anew()
    assert ids.outward([3]) == [3] and ids.inward(3) == 3


def test_prefixes():
    from refit_ros.node.frames import prefix_of

    assert [prefix_of(*each) for each in (("", "/"), ("", "/robot/a"), ("left", "/robot"), ("/", "/robot"))] == [
        "",
        "robot/a/",
        "left/",
        "",
    ]

"""A fusion node that takes over goes on with the ids of the one before it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from refit_ros.node.inherited_ids import InheritedIds


def message(stamp_s: float, frame_id: str = "map", **people):
    stamp = SimpleNamespace(sec=int(stamp_s), nanosec=round(stamp_s % 1 * 1e9))
    said = [
        SimpleNamespace(id=int(name[1:]), joints=[SimpleNamespace(x=float(x), y=float(y), z=0.9)])
        for name, (x, y) in people.items()
    ]
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id=frame_id), people=said)


def seen(stamp_s: float, **people):
    found = [SimpleNamespace(id=int(name[1:]), joints=np.array([[x, y, 0.9]])) for name, (x, y) in people.items()]
    return SimpleNamespace(stamp_s=stamp_s, people=found)


def outward(ids: InheritedIds, people) -> list[int]:
    return ids.outward([person.id for person in people.people], people)


def test_people_keep_their_ids_and_new_ones_get_new():
    ids = InheritedIds()
    ids.heard(message(100.0, p3=(0, 0), p7=(2, 0)), "map")
    assert outward(ids, seen(101.0, p1=(2.1, 0), p2=(5, 5))) == [7, 9]
    # Who comes where another was expected later, after the others were told apart, is that one still; everybody stays.
    assert outward(ids, seen(101.1, p1=(2.1, 0), p2=(5, 5), p3=(0, 0.1))) == [7, 9, 3]
    assert outward(ids, seen(109.0, p3=(9, 9), p4=(2, 0))) == [3, 11]
    assert [ids.inward(each) for each in (7, 3, 9, -1)] == [1, 3, 2, -1]


def test_people_of_another_frame_say_nothing():
    ids = InheritedIds()
    ids.heard(message(100.0, "odom", p3=(0, 0)), "map")
    assert outward(ids, seen(100.5, p1=(0, 0))) == [1]


def test_numbers_that_are_none_are_not_taken():
    ids = InheritedIds()
    ids.heard(message(100.0, p3=(float("nan"), 0)), "map")
    assert outward(ids, seen(100.5, p1=(0, 0))) == [1]


def test_who_has_forgotten_everybody_gives_no_inherited_id_again():
    ids = InheritedIds()
    ids.heard(message(100.0, p3=(0, 0)), "map")
    assert outward(ids, seen(100.5, p1=(0, 0))) == [3]
    ids.begin_anew()
    assert outward(ids, seen(100.6, p1=(0, 0))) == [5]

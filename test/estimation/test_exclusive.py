"""A body in a picture belongs to one person."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from test_fuse import body_points, cameras, seen

from refit_ros.estimation.exclusive import SETS, Twins, borrowed_views

BODY = body_points() - body_points()[0]
HERE, THERE = np.array([0.2, 0.1, 0.95]), np.array([-0.6, 0.5, 0.95])


def person(*looks):
    """Somebody seen at these places, one for each (camera, place)."""
    views = cameras(3)
    return SimpleNamespace(
        own=tuple(
            SimpleNamespace(joints_px=seen(BODY + place, [views[camera]])[0], look=SimpleNamespace(camera=camera))
            for camera, place in looks
        )
    )


def expected(place):
    return SimpleNamespace(joints=BODY + place)


def test_of_two_on_one_body_he_has_it_who_was_expected_there():
    people = {0: person((0, HERE), (1, HERE)), 1: person((0, HERE), (1, THERE))}
    assert borrowed_views(people, {0: expected(HERE), 1: expected(THERE)}, {0: 2, 1: 50}, cameras(3)) == {1: {0}}
    assert borrowed_views(people, {0: expected(THERE), 1: expected(HERE)}, {0: 50, 1: 2}, cameras(3)) == {0: {0}}


def test_where_both_were_expected_there_the_one_known_longer_has_it():
    people = {4: person((2, HERE)), 7: person((2, HERE + 0.02))}
    for standing, loser in (({4: 9, 7: 3}, 7), ({4: 3, 7: 9}, 4)):
        assert borrowed_views(people, {4: expected(HERE), 7: expected(HERE)}, standing, cameras(3)) == {loser: {0}}


def test_two_bodies_and_one_body_in_two_cameras_are_nobodys_loan():
    where = {0: expected(HERE), 1: expected(THERE)}
    assert borrowed_views({0: person((0, HERE)), 1: person((0, THERE))}, where, {0: 5, 1: 5}, cameras(3)) == {}
    assert borrowed_views({0: person((0, HERE)), 1: person((1, HERE))}, where, {0: 5, 1: 5}, cameras(3)) == {}
    assert borrowed_views({}, {}, {}, cameras(3)) == {}


def single(camera, place, body=BODY):
    """Somebody whom one camera alone puts at this place."""
    view = cameras(3)[camera]
    own = SimpleNamespace(joints_m=view.to_camera(body + place), look=SimpleNamespace(camera=camera))
    return SimpleNamespace(own=(own,), pose=SimpleNamespace(joints=body + place))


def along_the_ray(camera, place, by_m):
    ray = place - cameras(3)[camera].fixed_from_camera[:3, 3]
    return place + by_m * ray / np.linalg.norm(ray)


def test_one_whom_two_cameras_follow_as_two_is_found_after_some_sets():
    twins = Twins()
    people = {"a": single(0, along_the_ray(0, HERE, 0.3)), "b": single(1, along_the_ray(1, HERE, -0.2))}
    found = [twins.found(people, cameras(3)) for _ in range(SETS)]
    assert found[:-1] == [[]] * (SETS - 1) and found[-1] == [("a", "b")]
    twins.found({}, cameras(3))
    assert twins.found(people, cameras(3)) == []  # counted from the beginning again


def test_two_who_differ_are_no_twins():
    turned = BODY * [-1, -1, 1]
    for other in (single(1, THERE), single(1, HERE, turned), single(0, HERE)):
        twins = Twins()
        assert all(twins.found({"a": single(0, HERE), "b": other}, cameras(3)) == [] for _ in range(SETS + 1))

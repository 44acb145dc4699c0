"""Views that show somebody else are found, honest ones are not; places nobody could have got to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from test_fuse import body_points, cameras, seen

from refit_ros.estimation.doubt import doubtful_view, is_jump, wanders
from refit_ros.estimation.fuse import fuse

PLACE = np.array([0.2, 0.1, 0.95])


def solved(views, pixels):
    joints = body_points() - body_points()[0]
    fused = fuse(joints, pixels, views)
    own = tuple(SimpleNamespace(joints_px=p, look=SimpleNamespace(camera=i)) for i, p in enumerate(pixels))
    return SimpleNamespace(own=own, fused=fused, pose=SimpleNamespace(joints=joints + fused.transl))


def pictures(count, off=None, by=(0.0, 0.0)):
    views = cameras(count)
    pixels = seen(body_points() - body_points()[0] + PLACE, views)
    if off is not None:
        pixels[off] = pixels[off] + by
    return views, pixels


def expected(place=PLACE):
    return SimpleNamespace(joints=body_points() - body_points()[0] + place)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_honest_views_are_believed(count):
    views, pixels = pictures(count)
    rng = np.random.default_rng(0)
    pixels = [p + rng.normal(0, 4, 2) for p in pixels]
    assert doubtful_view(solved(views, pixels), expected(), views) is None


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("off", [0, 1])
def test_the_view_of_somebody_else_is_named(count, off):
    views, pixels = pictures(count, off, (150.0, 10.0))
    assert doubtful_view(solved(views, pixels), expected(), views) == off


def test_alone_nobody_can_say():
    views, pixels = pictures(1, 0, (150.0, 0.0))
    assert doubtful_view(solved(views, pixels), expected(), views) is None
    views, pixels = pictures(2, 0, (150.0, 0.0))
    assert doubtful_view(solved(views, pixels), None, views) is None


def test_jumps():
    views, pixels = pictures(3)
    assert not is_jump(solved(views, pixels), expected(PLACE + [0.2, 0, 0]), 0.1, views)
    assert is_jump(solved(views, pixels), expected(PLACE + [0.8, 0, 0]), 0.1, views)
    assert not is_jump(solved(views, pixels), expected(PLACE + [0.8, 0, 0]), 1.0, views)
    views, pixels = pictures(1)
    ray = PLACE - views[0].fixed_from_camera[:3, 3]
    ray /= np.linalg.norm(ray)
    assert not is_jump(solved(views, pixels), expected(PLACE + 0.8 * ray), 0.1, views)  # depth is only guessed
    assert is_jump(solved(views, pixels), expected(PLACE + 0.8 * np.array([-ray[1], ray[0], 0])), 0.1, views)


def test_people_walk_and_furniture_wanders():
    views, pixels = pictures(2)
    person = solved(views, pixels)

    def wandered(by_m, step_s, newcomer=False, who=person):
        return wanders(who, expected(PLACE + [by_m, 0, 0]), step_s, newcomer, views)

    assert not wandered(0.15, 0.1) and not wandered(0.0, 0.03)
    assert wandered(0.3, 0.1)
    assert not wandered(0.3, 0.1, newcomer=True) and wandered(0.6, 0.1, newcomer=True)  # he may be walking already


def test_a_body_that_changes_altogether_wanders_on_the_spot():
    views, pixels = pictures(2)
    where = expected()
    for by_m, wandered in ((0.03, False), (0.15, True)):
        noise = np.random.default_rng(0).normal(0, by_m / 1.6, (24, 3))
        noise[0] = 0
        where.joints = expected().joints + noise
        assert wanders(solved(views, pixels), where, 0.03, False, views) == wandered


def test_along_its_ray_a_single_camera_may_err_more():
    views, pixels = pictures(1)
    person = solved(views, pixels)
    ray = PLACE - views[0].fixed_from_camera[:3, 3]
    for by, wandered in ((0.1, False), (-0.1, False), (0.4, True)):
        assert wanders(person, expected(PLACE + by * ray), 0.03, False, views) == wandered

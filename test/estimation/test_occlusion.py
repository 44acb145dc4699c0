"""Other people in somebody's crop are masked, he himself is not."""

from __future__ import annotations

import numpy as np
from oracle import Actor, Oracle, Stage, ring

from refit_ros.camera.crops import square_around
from refit_ros.camera.geometry import around
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.occlusion import GREY, Silhouette, occlusion_mask, painted
from refit_ros.estimation.settings import Settings

SIZE = 64


def silhouettes(*places):
    """People at these places before the first camera of a ring, and the crop of the first of them."""
    cameras = ring(1)
    stage = Stage([Actor(place, seed=1) for place in places], cameras)
    calibration = cameras[0][0]
    points = [stage.in_camera(actor, 0) for actor in range(len(places))]
    bodies = [Silhouette(calibration.project_square(p), calibration.focal_px / p[:, 2].mean()) for p in points]
    return bodies, square_around(around(bodies[0].joints_px))


def test_a_body_covers_its_joints_and_little_else():
    (body,), square = silhouettes((0, 0))
    mask = body.covers(square, SIZE)
    rows = ((body.joints_px - square.center_px + square.side_px / 2) * SIZE / square.side_px).round().astype(int)
    assert mask[rows[:, 1], rows[:, 0]].mean() > 0.9  # the hands' and feet's ends may lie on the edge
    assert 0.05 < mask.mean() < 0.3
    wider = body.covers(square, SIZE, 1.5)
    assert (wider >= mask).all() and wider.sum() > 1.1 * mask.sum()


def test_what_the_other_covers_is_masked_and_their_own_is_not():
    (own, other), square = silhouettes((0, 0), (0.35, 0.35))
    hidden = occlusion_mask(own, [other], square, SIZE)
    assert hidden is not None and 0.01 < hidden.mean() < 0.3
    assert not (hidden & (own.covers(square, SIZE) > 0)).any()
    assert not (hidden & (other.covers(square, SIZE) == 0)).any()


def test_nothing_is_masked_of_one_alone_nor_by_those_far_off_nor_by_one_in_their_place():
    (own, other), square = silhouettes((0, 0), (-1.5, 1.5))
    assert occlusion_mask(own, [], square, SIZE) is None
    assert occlusion_mask(own, [other], square, SIZE) is None
    assert occlusion_mask(own, [own], square, SIZE) is None
    occlusion_mask(own, [Silhouette(np.full((24, 2), 1e9), 1e9)], square, SIZE)  # beyond all measure: no error


def test_others_are_painted_over_where_the_mask_of_a_region_says_in_a_copy():
    image = np.zeros((40, 60, 3), np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = mask[3, 3] = True
    inside = (painted(image, np.array([10.0, 4, 26, 20]), mask) == GREY).all(2)
    assert inside.sum() == 2 * 16 and inside[8:12, 18:22].all() and inside[16:20, 22:26].all()
    beyond = (painted(image, np.array([52.0, 32, 68, 48]), mask) == GREY).all(2)
    assert beyond.sum() == 0, "what the mask says of what is no image"
    partly = (painted(image, np.array([-8.0, -8, 24, 24]), mask) == GREY).all(2)
    assert partly.sum() == 64 + 64 and partly[0:8, 8:16].all() and partly[16:24, 16:24].all()
    for elsewhere in ([100.0, 100, 110, 110], [-30.0, -30, -20, -20], [5.2, 5.2, 5.3, 5.3]):
        assert not painted(image, np.array(elsewhere), mask).any()
    assert not image.any()


def test_the_crops_of_two_side_by_side_are_masked_and_those_of_one_alone_are_not():
    masked = {}
    for actors in (1, 2):
        stage = Stage([Actor((0.0, 0.3 * k), seed=k) for k in range(actors)], ring(2))
        estimator = Estimator(Oracle(stage, 0, 0, 0), Settings(detector="topic", smoothing=0.0))
        seen = []
        look = estimator._eyes.look
        estimator._eyes.look = lambda cameras, wanted, look=look, seen=seen: (
            seen.extend(mask is not None for one in wanted.values() for mask in one.masks),
            look(cameras, wanted),
        )[1]
        for number in range(4):
            people = estimator.estimate(stage.views(number * 0.1))
        assert len(people.people) == actors
        masked[actors] = sum(seen)
    assert masked[1] == 0 and masked[2] > 0

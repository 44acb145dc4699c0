"""Where cameras stand, from drawn walkers; and what is said where it cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_tracks import NAMES, rig, tracks, walker

from refit_ros.calibration.sides import other_sides
from refit_ros.calibration.solve import calibrate
from refit_ros.camera.rig import differences
from refit_ros.core.errors import InputError

FOUR = rig((3.8, 0, 1.7), (0, 4.0, 2.2), (-4.2, 0.5, 1.5), (0.3, -3.6, 1.9))
TWO = rig((3.8, 0, 1.7), (0, 4.0, 2.2))


def solved(seen, cameras=FOUR, **options):
    return calibrate(seen, cameras.calibrations, NAMES, **options)


def test_perfect_rays_give_the_cameras_exactly():
    found = solved(tracks([walker(16)], FOUR, depth=0.1))
    degrees, metres = differences(found, FOUR)
    assert degrees.max() < 0.01 and metres.max() < 0.002
    assert found.fixed_frame == "cam0_optical" and found.people == 1 and found.sets == 16
    np.testing.assert_allclose(found.fixed_from_camera[0], np.eye(4), atol=1e-12)
    assert found.fitting.min() > 0.999 and found.residual_px.max() < 0.1 and 2 < found.walked_m < 3


def test_noise_of_a_landmark_network_and_a_wrong_depth():
    found = solved(tracks([walker(24)], FOUR, noise=0.012, depth=0.1))
    degrees, metres = differences(found, FOUR)
    assert degrees.max() < 0.5 and metres.max() < 0.06
    assert 1 < found.residual_px.min() and found.residual_px.max() < 6


def test_people_are_told_apart():
    """Three walk on the same eight, each at another place of it, so that only who is taken for whom is in doubt."""
    people = [walker(16, phase) for phase in (0.0, 2.1, 4.3)]
    found = solved(tracks(people, FOUR, noise=0.006, depth=0.05))
    degrees, metres = differences(found, FOUR)
    assert found.people == 3 and degrees.max() < 0.5 and metres.max() < 0.06


def test_cameras_that_never_see_the_same_are_joined_by_a_third():
    """Camera 0 sees the first half, camera 2 the second, camera 1 both."""
    seen = tracks([walker(24)], FOUR, noise=0.004)
    halves = {0: slice(0, 12), 1: slice(0, 24), 2: slice(12, 24), 3: slice(0, 24)}
    cut = [each.at(each.moments[halves[each.camera]]) for each in seen]
    degrees, metres = differences(solved(cut), FOUR)
    assert degrees.max() < 0.5 and metres.max() < 0.06


def test_a_measured_distance_gives_the_scale_whatever_size_people_seem_to_have():
    small = [replace(each, points_m=0.8 * each.points_m) for each in tracks([walker(16)], FOUR)]
    apart_m = float(np.linalg.norm(FOUR.relative()[2, :3, 3]))
    assert differences(solved(small, distance=(0, 2, apart_m)), FOUR)[1].max() < 0.002
    shrunk = solved(small).relative()[2, :3, 3]
    assert np.linalg.norm(shrunk) == pytest.approx(0.8 * apart_m, rel=1e-3)


def test_another_first_camera_is_the_fixed_frame():
    found = solved(tracks([walker(16)], FOUR), first=2)
    assert found.fixed_frame == "cam2_optical" and differences(found, FOUR, 2)[1].max() < 0.002
    np.testing.assert_allclose(found.fixed_from_camera[2], np.eye(4), atol=1e-12)


def test_a_level_frame_has_the_floor_at_zero_and_z_up():
    found = solved(tracks([walker(24)], FOUR), level_frame="room")
    assert found.fixed_frame == "room"
    for pose, true in zip(found.fixed_from_camera, FOUR.fixed_from_camera):
        assert pose[2, 3] == pytest.approx(true[2, 3] - 0.08, abs=0.03)  # the lowest points are ankles, 8 cm up
        np.testing.assert_allclose(pose[2, :3], true[2, :3], atol=0.02)  # up, seen from the camera
    np.testing.assert_allclose(found.fixed_from_camera[0][:2, 3], 0, atol=1e-9)
    assert found.fixed_from_camera[0][0, 2] > 0.9 and abs(found.fixed_from_camera[0][1, 2]) < 1e-9


def test_a_tenth_of_wild_points_pulls_nothing():
    seen = tracks([walker(24)], FOUR, noise=0.004)
    random = np.random.default_rng(5)
    wild = [each.rays + 0.3 * (random.random(each.weight.shape) < 0.1)[..., None] for each in seen]
    found = solved([replace(each, rays=rays) for each, rays in zip(seen, wild)])
    degrees, metres = differences(found, FOUR)
    assert degrees.max() < 0.3 and metres.max() < 0.04 and 0.7 < found.fitting.min() < 0.95


def test_a_back_that_was_taken_for_a_front_is_turned_round():
    """One camera exchanges left and right in a third of its moments, as landmarks of real people come."""
    seen = tracks([walker(24)], FOUR, noise=0.004)
    others, wrong = other_sides(NAMES), np.arange(24) % 8 < 3
    assert [NAMES[index] for index in others[:3]] == ["right_hip", "left_hip", "right_knee"] and NAMES[others[6]] == "nose"
    turned = {name: getattr(seen[1], name).copy() for name in ("rays", "weight")}
    for values in turned.values():
        values[wrong] = values[wrong][:, others]
    found = solved([seen[0], replace(seen[1], **turned), *seen[2:]])
    degrees, metres = differences(found, FOUR)
    assert degrees.max() < 0.3 and metres.max() < 0.04 and found.fitting.min() > 0.95
    plain = solved(seen)
    np.testing.assert_allclose(found.fixed_from_camera, plain.fixed_from_camera, atol=1e-6)


@pytest.mark.parametrize("wrong", [0, 1])
def test_two_cameras_are_brought_to_one_side(wrong):
    seen = tracks([walker(24)], TWO, noise=0.004)
    others, some = other_sides(NAMES), np.arange(24) % 8 < 2
    rays = np.where(some[:, None, None], seen[wrong].rays[:, others], seen[wrong].rays)
    seen[wrong] = replace(seen[wrong], rays=rays)
    assert solved(seen, TWO).fitting.min() > 0.95


def refused(seen, cameras=FOUR, **options) -> str:
    with pytest.raises(InputError) as error:
        solved(seen, cameras, **options)
    return str(error.value)


def test_what_cannot_be_told_is_said_in_a_sentence():
    seen = tracks([walker(16)], TWO)
    assert "cam1 saw nobody" in refused(seen[:1], TWO)
    apart = [seen[0], replace(seen[1], moments=seen[1].moments + 1000)]
    assert "do not overlap in time" in refused(apart, TWO)
    short = [each.at(each.moments[:3]) for each in seen]
    assert "walk for some seconds" in refused(short, TWO)
    assert "1 camera is given" in refused(seen[:1], rig((3, 0, 1)))
    assert "stayed within 0.00 m" in refused(tracks([walker(16, standing=True)], TWO), TWO)


def test_cameras_that_see_different_people_are_not_forced_together():
    one, other = walker(20), walker(20, 1.0, reach_m=0.9)[:, ::-1]
    both = [tracks([one], TWO)[0], tracks([other], TWO)[1]]
    assert "cam1" in refused(both, TWO) or "seen by two cameras" in refused(both, TWO)


def test_half_the_body_is_enough_but_no_limb_is_not():
    seen = tracks([walker(16)], FOUR)
    upper = [replace(each, weight=each.weight * [n.endswith(("hip", "shoulder", "elbow", "wrist", "nose")) for n in NAMES])
             for each in seen]  # fmt: skip
    assert differences(solved(upper), FOUR)[1].max() < 0.005
    assert "leave --frame out" in refused(upper, level_frame="room")
    names = tuple(f"point_{index}" for index in range(len(NAMES)))
    with pytest.raises(InputError, match="no arm, leg or trunk"):
        calibrate(seen, FOUR.calibrations, names)


def test_a_camera_that_fits_the_others_in_less_than_half_is_refused():
    """As with another camera's lens, or a clock that differs."""
    random = np.random.default_rng(6)
    seen = tracks([walker(24)], FOUR, noise=0.004)
    wild = (
        seen[3].rays
        + random.choice([-0.06, 0.06], seen[3].rays.shape) * (random.random(seen[3].weight.shape) < 0.6)[..., None]
    )
    told = refused([*seen[:3], replace(seen[3], rays=wild)], FOUR)
    assert "of what cam3 saw fits the other cameras" in told

"""Capsules cover the body they stand for, wherever it moves, and distances are to its skin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from node_fakes import posed
from scipy.spatial.transform import Rotation

from refit_ros.core.body import load_body
from refit_ros.estimation.capsules import SPACING_M, BodyCapsules, Capsules


@pytest.fixture(scope="module")
def body():
    return load_body()


def person_of(body, seed: int, bend_rad: float = 0.3):
    rng = np.random.default_rng(seed)
    return posed(body, 7, rng.normal(0, 1, 10), rng.normal(0, 1, 3), rng.normal(0, bend_rad, (23, 3)), rng.normal(0, 2, 3))


def vertices_of(body, person) -> np.ndarray:
    rotmats = Rotation.from_rotvec(np.concatenate([person.global_orient[None], person.body_pose])).as_matrix()
    tensors = (torch.tensor(np.array(each)[None], dtype=torch.float32) for each in (person.betas, rotmats, person.transl))
    return body.vertices(*tensors)[0].numpy()


@pytest.mark.parametrize("seed", range(4))
def test_they_cover_the_skin(body, seed):
    """At rest by how they are made; bent, the skin may come out between two segments, by millimetres."""
    person = person_of(body, seed)
    capsules = BodyCapsules(body.arrays).of(person)
    outside_m = np.array([capsules.distance_m(vertex) for vertex in vertices_of(body, person)[::5]])
    assert outside_m.max() < 0.03 and np.percentile(outside_m, 99) < 0.01


def test_they_are_no_thicker_than_people(body):
    capsules = BodyCapsules(body.arrays).of(person_of(body, 1))
    radius = dict(zip(capsules.names, capsules.radius_m))
    assert 0.02 < radius["left_elbow"] < 0.1 and 0.04 < radius["left_knee"] < 0.15 and capsules.radius_m.max() < 0.35
    assert len(capsules.names) == 28 and set(capsules.names) == set(np.unique(capsules.names))


def test_they_move_with_the_person(body):
    """Another place and another turn move every capsule alike and change none."""
    person = person_of(body, 2)
    turn = Rotation.from_rotvec([0.3, -1.0, 2.0])
    orient = (turn * Rotation.from_rotvec(person.global_orient)).as_rotvec()
    other = posed(body, 7, person.betas, orient, person.body_pose, person.transl)
    here, there = (BodyCapsules(body.arrays).of(each) for each in (person, other))
    np.testing.assert_allclose(here.radius_m, there.radius_m)
    pelvis = here.start_m[0]
    for before, after in ((here.start_m, there.start_m), (here.end_m, there.end_m)):
        np.testing.assert_allclose(turn.apply(before - pelvis), after - there.start_m[0], atol=1e-5)


def rod(**changes) -> Capsules:
    values = dict(
        id=1,
        names=("pelvis",),
        start_m=np.array([[0.0, 0, 0]]),
        end_m=np.array([[0.0, 0, 2]]),
        radius_m=np.array([0.25]),
        stddev_m=np.array([0.1]),
        velocity_mps=np.zeros(3),
    )
    return Capsules(**{**values, **changes})


@pytest.mark.parametrize("point, expected", [((1, 0, 1), 0.75), ((0, 0, 3), 0.75), ((0, 3, -4), 4.75), ((0.1, 0, 1), 0.0)])
def test_distance_to_a_rod(point, expected):
    assert rod().distance_m(np.array(point, float)) == pytest.approx(expected)


def test_uncertainty_makes_them_thicker():
    assert rod().distance_m(np.array([1.0, 0, 1]), sigmas=2) == pytest.approx(0.55)


@pytest.mark.parametrize("end", [[0, 0, 2], [0.3, -0.2, 0.1], [0, 0, 0]])
def test_surface_points_lie_on_the_surface(end):
    one = rod(end_m=np.array([end], float))
    points = one.surface_m()
    bare = rod(end_m=np.array([end], float), radius_m=np.zeros(1))
    np.testing.assert_allclose([bare.distance_m(each) for each in points], 0.25, atol=1e-9)
    assert np.ptp(points[:, 2]) == pytest.approx(0.5 + end[2], abs=0.11)


def test_no_gap_in_the_surface_is_wider_than_the_spacing():
    """Every point of a finer surface has one of the coarser within the spacing."""
    points = rod().surface_m()
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 60), np.linspace(0, 2, 100))
    sides = np.column_stack([0.25 * np.cos(angle).ravel(), 0.25 * np.sin(angle).ravel(), height.ravel()])
    angle, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 60), np.linspace(0, np.pi / 2, 30))
    cap = 0.25 * np.column_stack(
        [(np.cos(angle) * np.cos(rise)).ravel(), (np.sin(angle) * np.cos(rise)).ravel(), np.sin(rise).ravel()]
    )
    for finer in (sides, cap + [0, 0, 2], -cap):
        away = np.linalg.norm(finer[:, None] - points[None], axis=2).min(axis=1)
        assert away.max() < SPACING_M

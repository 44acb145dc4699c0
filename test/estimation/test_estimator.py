"""The whole estimator over a network that knows the truth: what is left is finding, following, matching, fusing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracle import Actor, Oracle, Stage, ring

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.views import View
from refit_ros.estimation.estimator import Estimator, person_vertices
from refit_ros.estimation.settings import Settings


def following(stage, settings=None, sets=30, step_s=0.1, only=None, **noise):
    """Runs a stage; yields (time, people)."""
    estimator = Estimator(Oracle(stage, **noise), settings or Settings(detector="topic", smoothing=0.0))
    for number in range(sets):
        time_s = number * step_s
        yield time_s, estimator.estimate(stage.views(time_s, only(time_s) if only else None))


def error_m(stage, person) -> tuple[int, float]:
    """Which actor a person is, and the mean distance of the joints."""
    distances = [np.linalg.norm(stage.pose(actor)[2] - person.joints, axis=1).mean() for actor in range(len(stage.actors))]
    return int(np.argmin(distances)), float(min(distances))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_one_walker(count):
    stage = Stage([Actor((-1, 0.5), (0.7, 0), 1)], ring(count))
    errors, numbers = [], set()
    for _, people in following(stage):
        assert people.stamp_s == stage.time_s and len(people.cameras) == count
        errors += [error_m(stage, person)[1] for person in people.people]
        numbers |= {person.id for person in people.people}
    assert numbers == {1} and len(errors) >= 28
    assert np.mean(errors) < (0.4 if count == 1 else 0.12)


def test_two_cross_and_keep_their_numbers():
    stage = Stage([Actor((-1.5, -0.2), (0.8, 0), 1), Actor((1.5, 0.3), (-0.8, 0), 2)], ring(4))
    who = {}
    for _, people in following(stage, sets=40):
        assert len(people.people) <= 2
        for person in people.people:
            who.setdefault(person.id, set()).add(error_m(stage, person)[0])
    assert sorted(who.values(), key=min) == [{0}, {1}]


def test_single_camera_crossing_keeps_numbers_while_one_is_hidden():
    """They pass each other along the image, one a metre and a half behind the other."""
    cameras = ring(1)
    forward, right = cameras[0][1][:2, 2], cameras[0][1][:2, 0]
    forward = forward / np.linalg.norm(forward)
    near, far = -0.7 * forward, 0.9 * forward
    stage = Stage([Actor(near - 1.4 * right, 0.9 * right, 1), Actor(far + 1.4 * right, -0.9 * right, 2)], cameras)
    who = {}
    for _, people in following(stage, sets=33, depth=0.03):
        # The one behind gives no box while the one in front covers him.
        middle = [stage.in_camera(actor, 0)[0] for actor in (0, 1)]
        stage.hidden = {(1, 0)} if abs(middle[0][0] / middle[0][2] - middle[1][0] / middle[1][2]) < 0.08 else set()
        for person in people.people:
            who.setdefault(person.id, []).append(error_m(stage, person)[0])
    shares = sorted(np.mean(actors) for actors in who.values())  # of the second actor: each has an id of their own
    assert len(shares) == 2 and shares[0] < 0.05 and shares[1] > 0.95


def test_leaves_and_comes_back_with_the_same_number():
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    history = []
    estimator = Estimator(Oracle(stage), Settings(detector="topic", death_s=0.5))
    for number in range(60):
        stage.absent = {0} if 15 <= number < 35 else set()
        history.append([person.id for person in estimator.estimate(stage.views(number * 0.1)).people])
    assert history[10] == [1] and history[30] == [] and history[-1] == [1]
    assert {number for numbers in history for number in numbers} == {1}


def test_a_person_in_one_camera_only_is_published_with_less_certainty():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    sure = [people for _, people in following(stage)][-1].people[0]
    stage.hidden = {(0, 1), (0, 2)}
    unsure = [people for _, people in following(stage, only=lambda _: [0])][-1].people[0]
    assert unsure.joint_stddev.mean() > sure.joint_stddev.mean()
    assert len(unsure.views) == 1 and len(sure.views) == 3


def test_a_camera_comes_and_goes():
    stage = Stage([Actor((-1, 0), (0.5, 0), 1)], ring(3))
    for time_s, people in following(stage, only=lambda t: [0, 1] if 1 < t < 2 else [0, 1, 2]):
        assert len(people.cameras) == (2 if 1 < time_s < 2 else 3)
        if time_s > 0.3:
            assert [person.id for person in people.people] == [1]
            assert len(people.people[0].views) == len(people.cameras)


def test_views_without_extrinsics_are_left_out_never_taken_as_identity():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    stage.believed[1] = None
    people = [people for _, people in following(stage)][-1]
    assert people.cameras == ("cam0", "cam2") and "cam1" in people.left_out
    stage.believed = [None, stage.cameras[1][1], None]
    estimator = Estimator(Oracle(stage), Settings(detector="topic"))
    estimator.estimate(stage.views(0.0))
    alone = estimator.estimate(stage.views(0.1, only=[0]))  # the only one that came, and its pose is unknown
    assert alone.cameras == () and "cam0" in alone.left_out and alone.people == ()


def test_the_only_camera_is_the_fixed_frame():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    stage.believed = [None]
    person = [people for _, people in following(stage, depth=0.0, pixels=0.0, angle_rad=0.0)][-1].people[0]
    assert np.abs(person.joints - stage.in_camera(0, 0)).max() < 0.01


def test_a_bumped_camera_is_reported_and_does_not_spoil_the_rest():
    stage = Stage([Actor((-0.5, 0), (0.2, 0), 1)], ring(4))
    reported, errors = [], []
    estimator = Estimator(Oracle(stage), Settings(detector="topic", smoothing=0.0))
    for number in range(60):
        if number == 15:
            turn = np.array([[np.cos(0.12), -np.sin(0.12), 0], [np.sin(0.12), np.cos(0.12), 0], [0, 0, 1]])
            stage.believed[2] = stage.believed[2].copy()
            stage.believed[2][:3, :3] = turn @ stage.believed[2][:3, :3]
        people = estimator.estimate(stage.views(number * 0.1))
        reported.append(people.moved_cameras)
        assert len(people.people) == 1
        errors += [error_m(stage, person)[1] for person in people.people]
    assert reported[14] == () and reported[-1] == ("cam2",)
    assert max(errors) < 0.3 and np.mean(errors[-10:]) < 0.12


@pytest.mark.parametrize(
    "boxes",
    [
        np.full((3, 4), np.nan),
        [[5, 5, 5, 5]],
        [[-900, -900, -10, -10]],
        [[9e9, 0, 1e10, 5]],
        [[300, 200, 100, 50]],
        np.zeros((0, 4)),
    ],
)
def test_bad_boxes_are_counted_and_nothing_else(boxes):
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    view = stage.views(0.0)[0]
    boxes = np.array(boxes, float).reshape(-1, 4)
    bad = View(view.image, view.calibration, 0.0, view.fixed_from_camera, Boxes(boxes, np.ones(len(boxes))))
    people = Estimator(Oracle(stage), Settings(detector="topic")).estimate([bad])
    assert people.people == () and people.boxes_dropped == len(boxes)


def test_five_hundred_boxes_are_cut_down_to_max_people():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    view = stage.views(0.0)[0]
    corner = np.random.default_rng(0).uniform(0, 400, (500, 2))
    boxes = Boxes(np.concatenate([corner, corner + 40], 1), np.linspace(0.4, 0.9, 500))
    oracle = Oracle(stage)
    estimator = Estimator(oracle, Settings(detector="topic", max_people=7))
    people = estimator.estimate([View(view.image, view.calibration, 0.0, view.fixed_from_camera, boxes)])
    assert people.boxes_dropped == 493 and max(crops for crops, _, _ in oracle.calls) <= 7


def test_iterations_fewer_for_the_followed_and_warm():
    stage = Stage([Actor((0, 0), (0.3, 0), 1)], ring(2))
    oracle = Oracle(stage)
    estimator = Estimator(oracle, Settings(detector="topic", iterations=5, tracked_iterations=2))
    counts = [estimator.estimate(stage.views(number * 0.1)).iterations for number in range(6)]
    assert counts == [5, 2, 2, 2, 2, 2] and oracle.calls[-1] == (2, 2, True)
    cold = Oracle(stage)
    estimator = Estimator(cold, Settings(detector="topic", warm_start=False))
    assert [estimator.estimate(stage.views(number * 0.1)).iterations for number in range(3)] == [5, 5, 5]
    assert not any(warm for _, _, warm in cold.calls)


def test_nobody_is_solved_twice_where_each_camera_shows_whom_it_was_asked_for():
    """In whatever order the cameras are heard."""
    stage = Stage([Actor((0, 0), (0.3, 0), 1)], ring(3))
    oracle = Oracle(stage, pixels=4.0)
    estimator = Estimator(oracle, Settings(detector="topic", warm_start=False))
    for number in range(10):
        estimator.estimate(stage.views(number * 0.1))
        oracle.calls.clear() if number < 2 else None
    assert len(oracle.calls) == 8


def test_a_shape_is_held_from_the_set_in_which_somebody_is_back():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    estimator = Estimator(Oracle(stage), Settings(detector="topic", smoothing=0.0, death_s=0.5))
    held = np.linspace(-1, 1, 10)
    for number in range(4):
        estimator.estimate(stage.views(0.1 * number))
    estimator.set_shape(1, held)
    stage.absent.add(0)
    for number in range(4, 14):
        people = estimator.estimate(stage.views(0.1 * number)).people
    assert not people
    stage.absent.clear()
    back = [one for number in range(14, 18) for one in estimator.estimate(stage.views(0.1 * number)).people]
    assert len(back) >= 3 and {one.id for one in back} == {1}
    assert np.abs(np.stack([one.betas for one in back]) - held).max() < 1e-5
    pelvis = np.stack([one.joints[0] for one in back])
    assert np.abs(pelvis - pelvis[-1]).max() < 0.05, "where they stand does not change by it"


def test_a_held_shape_is_held_and_released():
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    estimator = Estimator(Oracle(stage), Settings(detector="topic"))
    for number in range(4):
        estimator.estimate(stage.views(number * 0.1))
    held = np.linspace(-1, 1, 10)
    estimator.set_shape(1, held)
    assert np.allclose(estimator.estimate(stage.views(0.5)).people[0].betas, held)
    estimator.set_shape(1, None)
    assert not np.allclose(estimator.estimate(stage.views(0.6)).people[0].betas, held)
    estimator.set_shape(-1, held)
    assert np.allclose(estimator.estimate(stage.views(0.7)).people[0].betas, held)
    for number, betas in ((9, held), (1, np.full(10, np.nan)), (1, np.zeros(3))):
        with pytest.raises(ValueError):
            estimator.set_shape(number, betas)
    estimator.reset()
    with pytest.raises(ValueError, match="none"):
        estimator.set_shape(1, held)


def test_a_known_height_fixes_the_depth_of_a_single_camera():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    stage.actors[0].betas = np.zeros(10)
    import torch

    height = float(stage.body.height_m(torch.zeros(1, 10))[0])
    for factor in (0.9, 1.1):
        settings = Settings(detector="topic", known_height_m=factor * height, smoothing=0.0)
        person = [people for _, people in following(stage, settings, depth=0.0, pixels=0.0, angle_rad=0.0, sets=5)][
            -1
        ].people[0]
        betas = torch.tensor(person.betas[None], dtype=torch.float32)
        assert abs(float(stage.body.height_m(betas)[0]) - factor * height) < 0.005
        camera = stage.cameras[0][1]
        depth = (person.joints[0] - camera[:3, 3]) @ camera[:3, 2]
        assert abs(depth / stage.in_camera(0, 0)[0, 2] / factor - 1) < 0.03


def test_what_is_published_is_one_body():
    """Joints, rotations, mesh and parameters of a person say the same, in the fixed frame."""
    stage = Stage([Actor((0.3, 0.2), (0.2, 0.1), 1)], ring(3))
    person = [people for _, people in following(stage, Settings(detector="topic", smoothing=0.6))][-1].people[0]
    vertices = person_vertices(stage.body, person)
    joints = np.asarray(stage.body.J_regressor) @ vertices
    assert vertices.shape == (stage.body.vertex_count, 3)
    assert abs(np.ptp(vertices[:, 2]) - 1.6) < 0.4  # z is up
    assert np.linalg.norm(joints[0] - person.joints[0]) < 0.1
    assert np.allclose(np.linalg.det(person.joint_rotmats), 1) and person.joint_in_image.all()
    assert np.isfinite(person.joint_stddev).all() and 0 < person.confidence <= 1


def test_images_that_do_not_fit_are_left_out_with_the_reason():
    stage = Stage([Actor((0, 0), seed=1)], ring(3))
    views = stage.views(0.0)
    bad = [
        View(views[0].image[:100], views[0].calibration, 0.0, views[0].fixed_from_camera),
        View(views[1].image.astype(float), views[1].calibration, 0.0, views[1].fixed_from_camera),
        View(views[2].image, views[2].calibration, 0.0, np.full((4, 4), np.nan)),
    ]
    people = Estimator(Oracle(stage), Settings(detector="topic")).estimate(bad)
    assert people.people == () and set(people.left_out) == {"cam0", "cam1", "cam2"}
    assert "640 x 100" in people.left_out["cam0"] and "finite" in people.left_out["cam2"]
    assert Estimator(Oracle(stage), Settings(detector="topic")).estimate([]).people == ()


def test_two_cameras_that_contradict_each_other_are_both_named():
    stage = Stage([Actor((0.2, 0.3), seed=1)], ring(2))
    stage.believed[1] = stage.believed[1].copy()
    stage.believed[1][:3, :3] = stage.believed[1][:3, :3] @ np.array([[1, 0, 0], [0, 0.94, 0.34], [0, -0.34, 0.94]])
    people = [people for _, people in following(stage, sets=40)]
    assert people[-1].moved_cameras == ("cam0", "cam1")
    assert all(np.isfinite(person.joints).all() for each in people for person in each.people)


def test_weights_that_give_no_numbers_publish_nothing():
    stage = Stage([Actor((0, 0), seed=1)], ring(1))
    for _, people in following(stage, sets=3, pixels=np.nan):
        assert people.people == () and "not finite" in people.left_out["cam0"]


def test_without_fusion_everybody_is_seen_by_one_camera():
    stage = Stage([Actor((-1, -0.5), (0.3, 0), 1), Actor((1, 0.6), (-0.3, 0), 2)], ring(4))
    people = [people for _, people in following(stage, Settings(detector="topic", fuse_views=False), sets=10)][-1].people
    assert [len(person.views) for person in people] == [1, 1]


def test_an_own_detector_finds_and_boxes_of_a_view_are_taken_before_its_answer():
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    asked = []

    class Own:
        def find(self, images):
            asked.append(len(images))
            return [Boxes(np.zeros((0, 4)), np.zeros(0))] * len(images)

    estimator = Estimator(Oracle(stage), Settings(birth_hits=1), detector=Own())
    views = stage.views(0.0)
    assert estimator.estimate([replace(view, boxes=None) for view in views]).people == () and asked == [2]
    people = estimator.estimate([views[0], replace(views[1], boxes=None)])  # one brings boxes along
    assert asked == [2, 1] and people.detector_calls == 1
    for time_s in (0.5, 1.0):
        people = estimator.estimate(stage.views(time_s))
    assert asked == [2, 1] and people.detector_calls == 0 and len(people.people) == 1

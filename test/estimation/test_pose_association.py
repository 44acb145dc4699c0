"""One body is one person's, and what shows nobody who was expected is nobody's."""

from __future__ import annotations

import numpy as np
from oracle import Actor, Oracle, Stage, encoded, ring

from refit_ros.camera.crops import square_around
from refit_ros.camera.geometry import around
from refit_ros.camera.views import usable
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.pose_association import Seen, associate
from refit_ros.estimation.predicted_views import predict_views
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.solve import Crop, Prior, Solver
from refit_ros.tracking.config import DEFAULT

SETTINGS = Settings(detector="topic", smoothing=0.0)


def followed(*starts, sets: int = 8):
    """Actors who are followed by one camera: what is predicted of them, by actor, and what looks at crops of actors."""
    stage = Stage([Actor(start, seed=index) for index, start in enumerate(starts)], ring(1))
    estimator = Estimator(Oracle(stage), SETTINGS)
    for index in range(sets):
        views = stage.views(index * 0.1)
        estimator.estimate(views)
    cameras, _ = usable(views, several=True)
    solver: Solver = estimator._solver
    predictions = predict_views(estimator._everybody.tracks, cameras, solver, sets * 0.1, DEFAULT, False)
    places = [stage.pose(actor)[2][0] for actor in range(len(starts))]
    predictions.sort(key=lambda one: np.linalg.norm(np.array(places) - one.pose.joints[0], axis=1).argmin())

    def seen(*crops: tuple[int | None, int]) -> list[Seen]:
        """(owner, actor whom the crop shows) -> what was seen."""
        planned = [
            Crop(0, square_around(around(cameras[0].calibration.project_square(stage.in_camera(actor, 0)))))
            for _, actor in crops
        ]
        estimates = solver.together(
            encoded(solver, cameras, planned), [[i] for i in range(len(crops))], [Prior()] * len(crops), 1
        )
        return [Seen(i, owner, estimates[i][0]) for i, (owner, _) in enumerate(crops)]

    return predictions, cameras, seen


def test_everybody_gets_the_crop_that_shows_them():
    predictions, cameras, seen = followed((-0.6, 0.0), (0.6, 0.0))
    pairs = associate(seen((0, 0), (1, 1)), predictions, cameras, DEFAULT)
    assert pairs.views == {0: {0: 0}, 1: {0: 1}} and not pairs.missed and not pairs.unassigned


def test_of_two_crops_on_one_body_they_have_it_who_were_expected_there():
    predictions, cameras, seen = followed((-0.6, 0.0), (0.6, 0.0))
    pairs = associate(seen((0, 1), (1, 1)), predictions, cameras, DEFAULT)
    assert pairs.views == {1: {0: 1}} and pairs.missed == {0: (0,)}


def test_crops_that_were_mixed_up_are_exchanged():
    predictions, cameras, seen = followed((-0.6, 0.0), (0.6, 0.0))
    pairs = associate(seen((0, 1), (1, 0)), predictions, cameras, DEFAULT)
    assert pairs.views == {0: {0: 1}, 1: {0: 0}}


def test_a_strange_box_on_somebody_who_is_followed_is_nobody_new():
    predictions, cameras, seen = followed((-0.6, 0.0), (0.6, 0.0))
    pairs = associate(seen((0, 0), (None, 0), (None, 1)), predictions, cameras, DEFAULT)
    assert pairs.unassigned == () and pairs.views == {0: {0: 0}, 1: {0: 2}}


def test_a_stranger_stays_unassigned():
    predictions, cameras, seen = followed((-0.6, 0.0), (0.9, 0.2))
    pairs = associate(seen((0, 0), (None, 1)), predictions[:1], cameras, DEFAULT)
    assert pairs.unassigned == (1,) and pairs.views == {0: {0: 0}}


def test_what_one_camera_says_tells_the_next_one_whom_to_expect():
    """Somebody new may be anywhere. One camera sees one of two people: of the two in the other one it is the same."""
    stage = Stage([Actor((0.0, 0.0), seed=0), Actor((0.5, 0.0), seed=0)], ring(2))
    estimator = Estimator(Oracle(stage), SETTINGS)
    stage.absent = {1}
    for index in range(3):
        estimator.estimate(stage.views(index * 0.1))
    stage.absent = set()
    stage.actors[0].start, stage.actors[1].start = np.array([0.0, -0.45, 0.0]), np.array([0.0, 0.3, 0.0])
    cameras, _ = usable(stage.views(0.8), several=True)
    (one,) = predict_views(estimator._everybody.tracks, cameras, estimator._solver, 0.8, DEFAULT, False)
    shown = ((0, 0), (1, 0), (1, 1))  # camera, actor: the person who is farther off in both, the other one in the second
    planned = [
        Crop(camera, square_around(around(cameras[camera].calibration.project_square(stage.in_camera(actor, camera)))))
        for camera, actor in shown
    ]
    solver = estimator._solver
    estimates = solver.together(encoded(solver, cameras, planned), [[0], [1], [2]], [Prior()] * 3, 1)
    seen = [Seen(number, None, estimate[0]) for number, estimate in enumerate(estimates)]
    pairs = associate(seen, [one], cameras, DEFAULT)
    assert pairs.views == {0: {0: 0, 1: 1}} and pairs.unassigned == (2,)

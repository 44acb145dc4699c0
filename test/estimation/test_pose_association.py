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

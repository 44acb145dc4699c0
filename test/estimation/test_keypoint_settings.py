"""What a user fixes of people through landmarks: their shapes, and how many there are."""

import dataclasses

import numpy as np
import pytest
from told_landmarks import Watching, following

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings


@pytest.fixture(scope="module")
def network():
    return untrained_network(LANDMARKS, load_body())


def test_a_shape_is_held_for_one_and_for_everybody(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    with pytest.raises(ValueError, match="nobody with id 7 is followed; there are: 1"):
        tracker.set_shape(7, np.zeros(10))
    tracker.set_shape(1, np.full(10, 0.5))
    assert np.allclose(tracker.estimate(watching.views(0.2)).people[0].betas, 0.5)
    tracker.set_shape(1, None)
    assert not np.allclose(tracker.estimate(watching.views(0.3)).people[0].betas, 0.5)
    tracker.set_shape(-1, np.full(10, -0.25))
    assert np.allclose(tracker.estimate(watching.views(0.4)).people[0].betas, -0.25)


def test_a_shape_is_held_from_the_first_set_in_which_somebody_is_back(network):
    watching = Watching(network, [[0.0, 0, 5]])
    tracker = following(network, watching)
    for stamp_s in (0.0, 0.1):
        tracker.estimate(watching.views(stamp_s))
    tracker.set_shape(1, np.full(10, 0.5))
    with pytest.raises(ValueError, match="within"):
        tracker.set_shape(1, np.full(10, 1e20))
    assert tracker.estimate(watching.views(2.0, [[], []])).people == ()
    back = [tracker.estimate(watching.views(stamp_s)).people for stamp_s in (2.1, 2.2, 2.3)]
    shapes = [one.betas for people in back for one in people if one.id == 1]
    assert shapes and np.allclose(shapes, 0.5)


def test_no_more_people_than_wanted_are_followed_and_a_stamp_that_is_none_stays_inside(network):
    watching = Watching(network, [[-1.0, 0, 5], [1.0, 0, 5.5]])
    tracker = KeypointEstimator(network, watching, Settings(detector="topic", max_people=1))
    tracker._solver = watching
    for stamp_s in (0.0, 0.1, 0.2):
        people = tracker.estimate(watching.views(stamp_s)).people
    assert [one.id for one in people] == [1] and tracker._last_number == 1
    (lost,) = [dataclasses.replace(each, stamp_s=float("nan")) for each in watching.views(0.3)[:1]]
    assert tracker.estimate([lost]).stamp_s == 0.0

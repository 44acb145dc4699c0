"""Nobody is predicted to have walked through somebody else."""

from __future__ import annotations

import numpy as np
import pytest

from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.contact import kept_apart
from refit_ros.tracking.root_state import RootState, predict

CONFIG = TrackerConfig()


def walker(position_m, velocity_m_s) -> RootState:
    return RootState(np.concatenate([position_m, velocity_m_s]).astype(float), 0.01 * np.eye(6), 0.0)


def predicted(people: list[RootState], passed_s: float) -> tuple[list[RootState], list[RootState]]:
    alone = [predict(one, passed_s, CONFIG) for one in people]
    return alone, kept_apart(people, alone, CONFIG)


@pytest.mark.parametrize("passed_s", [0.033, 0.1, 0.333, 1.0])
def test_two_who_walk_up_to_each_other_stop_where_they_touch(passed_s):
    people = [walker([-0.3, 0, 1], [1, 0.1, 0]), walker([0.3, 0.02, 1], [-1, 0, 0])]
    alone, kept = predicted(people, passed_s)
    distance_m = np.linalg.norm(kept[1].position_m - kept[0].position_m)
    assert distance_m >= CONFIG.body_depth_m - 1e-9 and kept[0].position_m[0] < kept[1].position_m[0]
    # What both do together is as it was, and nothing is surer.
    np.testing.assert_allclose(sum(one.mean for one in kept), sum(one.mean for one in alone), atol=1e-12)
    assert all(np.array_equal(a.covariance, b.covariance) for a, b in zip(alone, kept))


def test_whoever_has_touched_goes_on_with_the_other():
    people = [walker([0, 0, 1], [1, 0, 0]), walker([0.35, 0, 1], [0, 0, 0])]
    _, (pushing, pushed) = predicted(people, 0.5)
    np.testing.assert_allclose(pushing.velocity_m_s, pushed.velocity_m_s)
    assert pushed.velocity_m_s[0] > 0


@pytest.mark.parametrize(
    "people",
    [
        [walker([0, 0, 1], [1, 0, 0]), walker([0, 0.6, 1], [-1, 0, 0])],  # past each other
        [walker([0, 0, 1], [-1, 0, 0]), walker([0.2, 0, 1], [1, 0, 0])],  # out of an embrace
        [walker([0, 0, 1], [1, 0, 0]), walker([0.5, 0, 1], [1, 0, 0])],  # one after the other
        [walker([0, 0, 1], [1, 0, 0]), walker([0, 0, 1], [-1, 0, 0])],  # in one place: nobody knows
        [walker([0, 0, 1], [1, 0, 0])],
    ],
)
def test_who_comes_no_nearer_than_people_can_moves_as_alone(people):
    alone, kept = predicted(people, 0.4)
    assert all(np.array_equal(a.mean, b.mean) for a, b in zip(alone, kept))


def test_who_stands_nearer_than_that_already_comes_no_nearer():
    people = [walker([0, 0, 1], [0.5, 0, 0]), walker([0.2, 0.05, 1], [-0.5, 0, 0])]
    _, kept = predicted(people, 0.3)
    before_m = np.linalg.norm(people[1].position_m - people[0].position_m)
    assert np.linalg.norm(kept[1].position_m - kept[0].position_m) == pytest.approx(before_m)

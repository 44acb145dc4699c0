import numpy as np
import pytest

from refit_ros.estimation.root import LONGEST_PREDICTION_S, predicted, root_covariance
from refit_ros.estimation.types import People, Person

PELVIS_M = np.array([0.5, -0.2, 1.0])
RING_M = [np.array([4 * np.cos(a), 4 * np.sin(a), 1.6]) for a in np.arange(4) * np.pi / 2]


def test_one_camera_leaves_it_open_how_far_off_a_person_is():
    camera_m = np.array([4.0, 0.0, 1.6])
    values, vectors = np.linalg.eigh(root_covariance(PELVIS_M, camera_m[None], 0.2))
    ray = (PELVIS_M - camera_m) / np.linalg.norm(PELVIS_M - camera_m)
    assert abs(vectors[:, 2] @ ray) > 0.9999
    assert values[2] > 20 * values[1]


def test_cameras_all_around_leave_nothing_open():
    values = np.linalg.eigvalsh(root_covariance(np.array([0, 0, 1.0]), np.array(RING_M), 0.02))
    assert values[2] < 3 * values[0]


@pytest.mark.parametrize("cameras_m", [None, RING_M[:1], RING_M[:2], RING_M], ids=["none", "1", "2", "4"])
def test_it_holds_as_many_as_the_standard_deviation_says(cameras_m):
    covariance = root_covariance(PELVIS_M, None if cameras_m is None else np.array(cameras_m), 0.05)
    off_m = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 200_000)
    assert (np.linalg.norm(off_m, axis=1) < 0.05).mean() == pytest.approx(0.68, abs=0.02)


def someone(velocity_m_s) -> Person:
    return Person(
        id=1,
        confidence=1.0,
        betas=np.zeros(10),
        global_orient=np.zeros(3),
        body_pose=np.zeros((23, 3)),
        transl=np.array([1.0, 2, 3]),
        joints=np.ones((24, 3)),
        joint_rotmats=np.tile(np.eye(3), (24, 1, 1)),
        joint_stddev=np.full(24, 0.01),
        joint_in_image=np.ones(24, bool),
        views=(),
        root_covariance=1e-4 * np.eye(3),
        root_velocity=np.array(velocity_m_s, float),
    )


def test_people_walk_on_until_they_are_published_and_are_less_sure_then():
    before = People(12.0, (someone([1.0, 0, -0.5]),), ("camera",))
    after = predicted(before, 0.2)
    assert after.stamp_s == 12.0
    (then,), (now,) = before.people, after.people
    np.testing.assert_allclose(now.transl - then.transl, [0.2, 0, -0.1])
    np.testing.assert_allclose(now.joints - then.joints, np.tile([0.2, 0, -0.1], (24, 1)))
    assert (now.joint_stddev > then.joint_stddev).all() and np.trace(now.root_covariance) > np.trace(then.root_covariance)


def test_nobody_is_predicted_back_or_for_long():
    before = People(12.0, (someone([1.0, 0, 0]),), ("camera",))
    assert predicted(before, -3.0).people[0].transl[0] == 1.0
    assert predicted(before, 60.0).people[0].transl[0] == 1.0 + LONGEST_PREDICTION_S

"""Where the pelvis may be, as a covariance, and where it will be a moment later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import gammaincinv

from refit_ros.estimation.types import People
from refit_ros.tracking.config import DEFAULT
from refit_ros.tracking.root_state import views_information

HELD = 0.68  # joint_stddev is the distance within which this share of the true joints lies
ACCELERATION_M_S2 = 2.0  # of somebody who walks: starting, stopping, turning; one sigma
LONGEST_PREDICTION_S = 0.5


def root_covariance(pelvis_m: np.ndarray, cameras_m: np.ndarray | None, stddev_m: float) -> np.ndarray:
    """(3, 3) m^2 of a pelvis at (3,) m that cameras at (V, 3) m see, all in the fixed frame.

    Each camera measures across its ray (`bearing_sigma_m`) and, far worse, along it (`depth_sigma` of the distance); their
    information adds up, which gives the ellipsoid's form: wide along the ray of a single camera. Its size comes from
    `stddev_m`, the calibrated distance within which 68 % of the true pelvises lie: the square of the distance, a weighted
    sum of chi-squares, is taken for a scaled chi-square of the same mean and variance (Satterthwaite 1946).
    Without cameras (None) it is a sphere.
    """
    information = np.eye(3)
    if cameras_m is not None and len(cameras_m):
        information = views_information(pelvis_m, cameras_m, DEFAULT.bearing_sigma_m, DEFAULT.depth_sigma)
    form = np.linalg.inv(information)
    mean, variance = form.trace(), 2 * (form @ form).trace()
    freedom = 2 * mean**2 / variance
    held_m2 = variance / (2 * mean) * 2 * gammaincinv(freedom / 2, HELD)
    covariance = form * stddev_m**2 / held_m2
    return (covariance + covariance.T) / 2


def predicted(people: People, ahead_s: float) -> People:
    """Everybody `ahead_s` seconds later (at most LONGEST_PREDICTION_S), walking on as before; less sure, poses unchanged.

    `stamp_s` stays the capture's: who asks for this knows for when it was made.
    """
    ahead_s = float(np.clip(ahead_s, 0.0, LONGEST_PREDICTION_S))
    more_m = ACCELERATION_M_S2 * ahead_s**2 / 2
    moved = []
    for person in people.people:
        step_m = person.root_velocity * ahead_s
        moved.append(
            replace(
                person,
                transl=person.transl + step_m,
                joints=person.joints + step_m,
                joint_stddev=np.hypot(person.joint_stddev, more_m),
                root_covariance=person.root_covariance + more_m**2 * np.eye(3),
            )
        )
    return replace(people, people=tuple(moved))

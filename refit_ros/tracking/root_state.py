"""Where a person's pelvis is and how fast it moves: a Kalman filter of position and velocity.

The velocity is an Ornstein-Uhlenbeck process: pushed by white noise, and forgotten over a while, so that nobody who was
lost is taken to walk on for ever (Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation,
8.2.2).
Its covariance grows with time and not with the number of sets, so it means the same at 3 sets a second as at 30.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.views import Camera
from refit_ros.tracking.config import TrackerConfig

_EYE = np.eye(3)
# In a covariance (6, 6): each axis's variance of the place, of the velocity, and what they have in common.
_PLACE, _SPEED, _BOTH = (np.kron(where, _EYE) for where in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]]))


@dataclass(frozen=True)
class RootState:
    """A Gaussian in the fixed frame at one time."""

    mean: np.ndarray  # (6,) m and m/s: position, then velocity
    covariance: np.ndarray  # (6, 6)
    stamp_s: float

    @property
    def position_m(self) -> np.ndarray:
        return self.mean[:3]

    @property
    def velocity_m_s(self) -> np.ndarray:
        return self.mean[3:]

    @property
    def position_covariance_m2(self) -> np.ndarray:
        return self.covariance[:3, :3]


def start(position_m: np.ndarray, covariance_m2: np.ndarray, stamp_s: float, config: TrackerConfig) -> RootState:
    """Of somebody seen for the first time: at position_m (3,) with covariance_m2 (3, 3), moving as anybody may: that
    velocity has the process's own variance, to which it comes back from wherever it was."""
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = covariance_m2
    covariance[3:, 3:] = config.acceleration_m2_s3 * config.velocity_memory_s / 2 * np.eye(3)
    return RootState(np.concatenate([position_m, np.zeros(3)]), covariance, stamp_s)


def predict(state: RootState, stamp_s: float, config: TrackerConfig) -> RootState:
    """The same person at another time; at an earlier one, or the same, nothing changes but the stamp."""
    step_s, memory_s, density = max(stamp_s - state.stamp_s, 0.0), config.velocity_memory_s, config.acceleration_m2_s3
    kept = math.exp(-step_s / memory_s)
    move = np.eye(6)
    move[:3, 3:], move[3:, 3:] = memory_s * (1 - kept) * _EYE, kept * _EYE
    speed = density * memory_s / 2 * (1 - kept**2)
    both = density * memory_s**2 / 2 * (1 - kept) ** 2
    place = density * memory_s**2 * (step_s - 2 * memory_s * (1 - kept) + memory_s / 2 * (1 - kept**2))
    pushed = max(place, 0.0) * _PLACE + both * _BOTH + speed * _SPEED
    return RootState(move @ state.mean, move @ state.covariance @ move.T + pushed, stamp_s)


def update(state: RootState, position_m: np.ndarray, information: np.ndarray) -> RootState:
    """After a measurement of the position (3,) at the state's time, of which (3, 3) 1/m^2 is known; 0: nothing, that way."""
    prior = np.linalg.inv(state.covariance)
    prior[:3, :3] += information
    covariance = np.linalg.inv(prior)
    gain = covariance[:, :3] @ information
    return RootState(state.mean + gain @ (position_m - state.position_m), (covariance + covariance.T) / 2, state.stamp_s)


def view_information(position_m: np.ndarray, camera_m: np.ndarray, across_m: float, along: float) -> np.ndarray:
    """(3, 3) 1/m^2 that a camera at camera_m (3,) gives of a pelvis at position_m (3,).

    It errs by `across_m` across its ray and by `along`, of the distance, along it (inf: it says nothing there).
    """
    return views_information(position_m, [camera_m], across_m, along)


def views_information(position_m: np.ndarray, cameras_m: Iterable[np.ndarray], across_m: float, along: float) -> np.ndarray:
    """(3, 3) 1/m^2 of a pelvis that cameras at all these places (at least one) saw: the views' informations added.

    One camera and eight are the same code: little is known along the ray of a single one.
    """
    rays = position_m - np.array(list(cameras_m))
    distance_m = np.maximum(np.sqrt((rays**2).sum(1)), 1e-3)[:, None, None]
    outer = rays[:, :, None] * rays[:, None] / distance_m**2
    return (outer / (along * distance_m) ** 2 + (_EYE - outer) / across_m**2).sum(0)


def jitter_information(position_m: np.ndarray, cameras: Sequence[Camera], config: TrackerConfig) -> np.ndarray:
    """(3, 3) 1/m^2 that all these cameras (at least one) give of a pelvis from one set to the next."""
    places_m = [camera.fixed_from_camera[:3, 3] for camera in cameras]
    return views_information(position_m, places_m, config.bearing_jitter_m, config.depth_jitter)

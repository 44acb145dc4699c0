"""By how much single views take somebody for nearer or farther than they are: what they take for the person's height.

Nobody's height is known from one view, so along its ray a view errs by a quarter; but it errs so every time. Where several
cameras see a person, their rays tell where that is, and each view's error with it. A Kalman filter of one number that does
not change: the logarithm of distance seen over distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.root_state import view_information


@dataclass(frozen=True)
class DepthScale:
    """A Gaussian; log(distance seen / distance)."""

    mean: float = 0.0
    variance: float | None = None  # None: nothing was learned yet

    def sigma(self, config: TrackerConfig) -> float:
        """Of the next view's log distance, once `mean` is taken away: what is not known yet, and what changes each time."""
        return math.sqrt(self._variance(config) + _from_elsewhere(config) ** 2)

    def _variance(self, config: TrackerConfig) -> float:
        return config.depth_sigma**2 - _from_elsewhere(config) ** 2 if self.variance is None else self.variance

    def learned(
        self, place_m: np.ndarray, seen_m: Sequence[np.ndarray], cameras_m: Sequence[np.ndarray], config: TrackerConfig
    ) -> DepthScale:
        """After a set that put the pelvis at place_m (3,), while each view put it at its seen_m (3,) from its camera."""
        if len(cameras_m) < 2:
            return self
        rays = [place_m - camera_m for camera_m in cameras_m]
        distances_m = [max(float(np.linalg.norm(ray)), 1e-3) for ray in rays]
        known = sum(view_information(place_m, camera_m, config.bearing_sigma_m, np.inf) for camera_m in cameras_m)
        covariance = np.linalg.inv(known + np.eye(3) / 1e4)
        mean, variance = self.mean, self._variance(config)
        measured, noise = [], []
        for ray, distance_m, one_m, camera_m in zip(rays, distances_m, seen_m, cameras_m, strict=True):
            measured.append(np.log(max(float(np.linalg.norm(one_m - camera_m)), 1e-3) / distance_m))
            noise.append(float(ray @ covariance @ ray) / distance_m**4 + _from_elsewhere(config) ** 2)
        # The views of one set err together, by the one place that they are compared with: they count as one look.
        weights = 1 / np.array(noise)
        weights, noise_together = weights / weights.sum(), len(noise) / weights.sum()
        gain = variance / (variance + noise_together)
        return DepthScale(mean + gain * (float(weights @ measured) - mean), (1 - gain) * variance)


def _from_elsewhere(config: TrackerConfig) -> float:
    """What no learning takes away: from another side, in another pose, a view errs otherwise than it did before."""
    return 2 * config.depth_jitter

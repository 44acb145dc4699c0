"""What cameras saw of walking people: frozen, numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Track:
    """One person as one camera alone sees them, over T moments; points of the body have the same order in all tracks."""

    camera: int
    moments: np.ndarray  # (T,) int, ascending: which set of images; equal numbers were taken at the same time
    rays: np.ndarray  # (T, K, 2) x / z and y / z in the camera's optical frame, without the lens
    weight: np.ndarray  # (T, K) 0 .. 1: how far a point is to be believed, 0 where it is not seen
    tolerance: np.ndarray  # (T,) how far off a ray usually is, in the same units as rays
    points_m: np.ndarray  # (T, K, 3) in the optical frame, as this camera alone guesses them; the body's size is true

    def at(self, moments: np.ndarray) -> Track:
        """At some of its moments."""
        rows = np.searchsorted(self.moments, moments)
        return Track(self.camera, moments, *(value[rows] for value in self._values()))

    def _values(self) -> tuple[np.ndarray, ...]:
        return self.rays, self.weight, self.tolerance, self.points_m

"""Keypoints of people in one image, which somebody else has found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.core.landmarks import layout_indices

HIGHEST = 9  # scores that say whether there is somebody
_HARDLY_SEEN = 0.1


@dataclass(frozen=True)
class GivenKeypoints:
    """Of N people; points that are not finite are not seen. Raises ValueError, as `layout_indices`, and for other shapes."""

    place_px: np.ndarray  # (N, K, 2) in the raw image
    score: np.ndarray  # (N, K) 0 .. 1, which is taken for the chance that a point is where it says
    layout: str  # one of core.landmarks.LAYOUTS

    def __post_init__(self) -> None:
        count = len(layout_indices(self.layout))
        place_px, score = np.asarray(self.place_px, float), np.asarray(self.score, float)
        if place_px.ndim != 3 or place_px.shape[1:] != (count, 2) or score.shape != place_px.shape[:2]:
            raise ValueError(
                f"keypoints of layout '{self.layout}' have shapes {place_px.shape} and {score.shape}; (N, {count}, 2) and "
                f"(N, {count}) were expected"
            )
        known = np.isfinite(place_px).all(2) & np.isfinite(score)
        object.__setattr__(self, "place_px", np.where(known[..., None], place_px, 0.0))
        object.__setattr__(self, "score", np.where(known, np.clip(score, 0, 1), 0.0))

    @property
    def person(self) -> np.ndarray:
        """(N,) 0 .. 1: that there is somebody."""
        return np.sort(self.score, axis=1)[:, -HIGHEST:].mean(1)

    @property
    def boxes(self) -> Boxes:
        """Around what is seen of each; of whom nothing is, without a confidence."""
        seen = self.score > _HARDLY_SEEN
        low, high = (np.where(seen[..., None], self.place_px, far) for far in (np.inf, -np.inf))
        corners = np.concatenate([low.min(1, initial=np.inf), high.max(1, initial=-np.inf)], axis=1)
        some = seen.any(1)
        return Boxes(corners[some], self.person[some])

"""Who the landmarks are that show nobody who is followed: grouped by person, each group one body.

The geometry of the rays comes first (`tracking/match.py`). It is not enough where several stand close together and each
camera sees another one of them best: their rays meet between them, and one body fitted to all views has the pose of none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import median_of_known
from refit_ros.camera.views import Camera
from refit_ros.detection.landmarks import COUNT
from refit_ros.detection.rows import joined
from refit_ros.estimation.keypoint_people import LIMBS, SEEN
from refit_ros.estimation.keypoint_tracks import Seen
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.match import Candidate, match

# Median distance of a view's limbs about their middle from those of a body that is fitted to it and others: of views that
# show one person 99 % lie nearer (drawn people, seeds 0 and 1; on the recording of docs/real.md all but one), of views of
# somebody else among them a third. Half of it takes people in poses that the network fits badly for two.
EXPLAINED_M = 0.08

Newcomer = tuple[KeypointBody, list[Seen]]
Fit = Callable[[list[list[Seen]]], list[KeypointBody]]


def grouped(
    alone: Sequence[KeypointBody], left: Sequence[Seen], cameras: Sequence[Camera], fit: Fit, config: TrackerConfig
) -> list[Newcomer]:
    """alone: a body for each of `left` by itself; fit: gives one for each group of views."""
    candidates = [Candidate(one.view, one.camera.to_camera(body.joints)) for body, one in zip(alone, left)]
    groups = [[left[index] for index in sorted(group)] for group in match(candidates, cameras, config)]
    people: list[Newcomer] = []
    while groups:
        fitted = list(zip(fit(groups), groups))
        parts = [parted(body, own) for body, own in fitted]
        people += [each for each, part in zip(fitted, parts) if len(part) == 1]
        groups = [own for part in parts if len(part) > 1 for own in part]
    return people


def parted(body: KeypointBody, own: list[Seen]) -> list[list[Seen]]:
    """The views in one group if the body explains all of them, else the one that it explains worst apart from the rest."""
    off_m = unexplained_m(body, own) if len(own) > 1 else np.zeros(1)
    worst = int(off_m.argmax())
    return [own] if off_m[worst] < EXPLAINED_M else [own[:worst] + own[worst + 1 :], [own[worst]]]


def unexplained_m(body: KeypointBody, own: Sequence[Seen]) -> np.ndarray:
    """(V,) m: how far the limbs that each view sees lie from the body's, about their middle, in the median.

    Where they lie as a whole says more of the cameras' calibration than of who it is.
    """
    cameras, found = CameraRows.of([one.camera for one in own]), joined([one.found for one in own])
    points = cameras.to_camera(body.landmarks[:COUNT])
    off_m = (cameras.project(points) - found.place_px) * (points[..., 2] / cameras.focal_px[:, None])[..., None]
    seen = found.visibility[:, LIMBS] > SEEN
    seen |= ~seen.any(1, keepdims=True)
    off_m = np.where(seen[..., None], off_m[:, LIMBS], np.nan)
    about_m = off_m - median_of_known(off_m, axis=1)[:, None]
    return median_of_known(np.linalg.norm(about_m, axis=2), axis=1)

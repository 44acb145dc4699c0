"""Each part by which people are told apart, switched off by itself, to see what it is worth.

The parts have no settings that users see; here each is replaced, while one run lasts, by what does nothing. A part that
leaves the tracker leaves this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np

_HERE = "refit_ros."
Rules = dict[str, dict[str, object]]  # name of the part: {what stands for it: what takes its place}
_SHARED: Rules = {
    "not through each other": {"tracking.contact.kept_apart": lambda before, after, config: list(after)},
    "poses of newcomers": {"tracking.match._pose_cost": lambda first, *_: np.zeros(len(first))},
    "moved cameras": {"tracking.moved_cameras.MovedCameras.judge": lambda *_: None},
}
FEATURE_RULES: Rules = {
    "occlusion masks": {"estimation.crop_plan.occlusion_mask": lambda *_: None},
    "occlusion": {"estimation.predicted_views.beside": lambda view, *_: view},
    "boxes' bearings": {"estimation.detections._corrected": lambda one, *_: one},
    "what is in sight": {"estimation.detections._in_sight": lambda *_: {}},
    "one body, one person": {"estimation.pose_association._apart": lambda *_: np.inf},
    "the gate": {"estimation.pose_association.surprise": lambda *_: 1e3},
    "cameras one after another": {"estimation.pose_association._seen_there": lambda body, *_: body},
    "the clearest camera first": {"estimation.pose_association._margin": lambda *_: 0.0},
    "belief in views": {"estimation.pose_estimation.belief": np.ones_like},
    "poses' evidence": {"tracking.existence.still_there": lambda *_: 0.0},
    "misses' evidence": {"tracking.existence.missed": lambda *_: 0.0},
    "what depths err": {"tracking.depth_scale.DepthScale.learned": lambda scale, *_: scale},
    **_SHARED,
}
LANDMARK_RULES: Rules = {
    "occlusion masks": {"estimation.keypoint_expected.occlusion_mask": lambda *_: None},
    "occlusion": {
        "estimation.keypoint_tracks.beside_others": lambda expected, config: list(expected),
        "estimation.keypoint_association.beside_others": lambda expected, config: list(expected),
    },
    "left for right": {"estimation.keypoint_expected.EXCHANGED": np.inf},
    "cameras one after another": {"estimation.keypoint_association.heard": lambda root, *_: root},
    "the clearest camera first": {"estimation.keypoint_association.clearness": lambda *_: 0.0},
    "belief in landmarks": {"estimation.keypoint_association.believed": lambda _, place_px: np.ones(place_px.shape[:2])},
    "newcomers taken apart": {"estimation.keypoint_newcomers.EXPLAINED_M": np.inf},
    "back in their place": {"estimation.keypoint_estimator.KeypointEstimator._rejoined": lambda self, groups, new, *_: new},
    "pictures of people": {"estimation.keypoints.flatness": lambda watched, _: np.zeros(len(watched.first))},
    "two who are one": {"estimation.keypoint_association.SIDE_BY_SIDE": 0},
    **_SHARED,
}
WITHOUT = "without "


def rules_of(evidence: str) -> Rules:
    """Of those who follow people by this evidence, as in the settings."""
    return LANDMARK_RULES if evidence in ("keypoints", "both") else FEATURE_RULES


@contextmanager
def switched_off(rule: str, evidence: str = "features") -> Iterator[None]:
    """One of `rules_of` this evidence does nothing inside this, for every estimator of the process.

    Raises AttributeError where the code no longer has the part.
    """
    with ExitStack() as stack:
        for target, value in rules_of(evidence)[rule].items():
            stack.enter_context(patch(_HERE + target, value))
        yield

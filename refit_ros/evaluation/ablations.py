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
# Name of the part: {what stands for it: what takes its place}.
RULES: dict[str, dict[str, object]] = {
    "occlusion masks": {
        "estimation.crop_plan.occlusion_mask": lambda *_: None,
        "estimation.keypoint_expected.occlusion_mask": lambda *_: None,
    },
    "occlusion": {"estimation.predicted_views.beside": lambda view, *_: view},
    "boxes' bearings": {"estimation.detections._corrected": lambda one, *_: one},
    "what is in sight": {"estimation.detections._in_sight": lambda *_: {}},
    "not through each other": {"tracking.contact.kept_apart": lambda before, after, config: list(after)},
    "one body, one person": {"estimation.pose_association._apart": lambda *_: np.inf},
    "the gate": {"estimation.pose_association.surprise": lambda *_: 1e3},
    "cameras one after another": {"estimation.pose_association._seen_there": lambda body, *_: body},
    "the clearest camera first": {"estimation.pose_association._margin": lambda *_: 0.0},
    "poses of newcomers": {"tracking.match._pose_cost": lambda first, *_: np.zeros(len(first))},
    "belief in views": {"estimation.pose_estimation.belief": np.ones_like},
    "poses' evidence": {"tracking.existence.still_there": lambda *_: 0.0},
    "misses' evidence": {"tracking.existence.missed": lambda *_: 0.0},
    "what depths err": {"tracking.depth_scale.DepthScale.learned": lambda scale, *_: scale},
    "moved cameras": {"tracking.moved_cameras.MovedCameras.judge": lambda *_: None},
}
WITHOUT = "without "


@contextmanager
def switched_off(rule: str) -> Iterator[None]:
    """One of RULES does nothing inside this, for every estimator of the process.

    Raises AttributeError where the code no longer has the part.
    """
    with ExitStack() as stack:
        for target, value in RULES[rule].items():
            stack.enter_context(patch(_HERE + target, value))
        yield

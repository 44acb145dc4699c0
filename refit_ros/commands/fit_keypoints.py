"""What `fit --evidence keypoints` runs: third-party landmarks and the keypoint network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.core.keypoints import KeypointRefit
    from refit_ros.estimation.keypoint_estimator import KeypointEstimator


def make_keypoint_estimator(args: argparse.Namespace) -> tuple[KeypointRefit, KeypointEstimator] | None:
    """The network and the estimator that the options of `fit` describe; None where they mean features.

    Raises ValueError, FileNotFoundError or ImportError with a sentence where weights, models or the detector cannot be had.
    """
    from refit_ros.commands.common import by_landmarks, device_named, of_landmarks, settings_from
    from refit_ros.core.body import load_body
    from refit_ros.estimation.keypoint_choice import keypoint_estimators, with_usual_detector

    if not by_landmarks(args):
        return None
    settings = settings_from(
        args,
        evidence=args.evidence,
        **of_landmarks(args),
        detector="topic" if args.box else args.detector,
        detector_model=args.detector_model,
        max_people=args.max_people,
        birth_hits=1,
    )
    if not args.detector:
        settings = with_usual_detector(settings)
    body = load_body(args.body) if args.body else None
    said = {name: value for name in ("precision", "engine") if (value := getattr(args, name)) is not None}
    network, estimators = keypoint_estimators([settings], args.weights, body, device_named(args.device), **said)
    return network, estimators[0]

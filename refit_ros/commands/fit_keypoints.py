"""What `fit --evidence keypoints` runs: third-party landmarks and the keypoint network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.core.keypoints import KeypointRefit
    from refit_ros.estimation.keypoint_estimator import KeypointEstimator


def make_keypoint_estimator(args: argparse.Namespace) -> tuple[KeypointRefit, KeypointEstimator]:
    """The network and the estimator that the options of `fit` describe.

    Raises ValueError, FileNotFoundError or ImportError with a sentence where weights, models or the detector cannot be had.
    """
    from refit_ros.commands.common import device_named, settings_from
    from refit_ros.core.body import load_body
    from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, load_network
    from refit_ros.core.keypoints import KeypointRefit
    from refit_ros.detection.landmarks import LandmarkNetwork
    from refit_ros.estimation.keypoint_estimator import KeypointEstimator

    if not args.weights and not EMBEDDED_KEYPOINT_WEIGHTS.is_file():
        raise ValueError(
            "no weights for --evidence keypoints come with this package yet: train some with `python -m "
            "refit_ros train --preset keypoints --output DIR` and give --weights DIR/refit.safetensors"
        )
    body = load_body(args.body) if args.body else None
    network = load_network(args.weights or EMBEDDED_KEYPOINT_WEIGHTS, body=body, device=device_named(args.device))
    if not isinstance(network, KeypointRefit):
        raise ValueError(
            f"{args.weights} holds a network of features; leave out --evidence keypoints, or --weights "
            "for the keypoint network of this package"
        )
    settings = settings_from(
        args,
        detector="topic" if args.box else args.detector,
        detector_model=args.detector_model,
        max_people=args.max_people,
        birth_hits=1,
    )
    return network, KeypointEstimator(network, LandmarkNetwork("full"), settings)

"""Which evidence people are known by: features of the images, landmarks that other networks find, or both; and what each
needs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from refit_ros.core.body import Body
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, are_for_landmarks, embedded_keypoint_weights, load_network
from refit_ros.core.inference import Prepared, prepare
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.checked_landmarks import CheckedLandmarks
from refit_ros.detection.landmark_sources import landmark_source
from refit_ros.detection.photographs import without_photographs_note
from refit_ros.detection.registry import is_thorough
from refit_ros.estimation.closer_look import CloserLook
from refit_ros.estimation.eyes import GivenEyes
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings

BOTH = "both"
NO_WEIGHTS = (
    "no weights for keypoints come with this package: train some with `python -m refit_ros train --preset keypoints "
    "--output DIR` and give DIR/refit.safetensors as weights"
)


def takes_keypoints(
    evidence: str, weights: str | os.PathLike | None, sees_images: bool = True, source: str = "models"
) -> bool:
    """Whether keypoints are to be used, with features beside them or not. "auto": as the weights want it; without any where
    all that keypoints need is there.

    sees_images: False where others find the landmarks, so that nothing has to be there for it. source: the settings'
    `keypoint_source`; whoever names one wants keypoints.
    Raises ValueError with a sentence where keypoints are asked for and lack something.
    """
    missing = ""
    if sees_images:
        embedded = (not weights or evidence == BOTH) and not EMBEDDED_KEYPOINT_WEIGHTS.is_file()
        missing = (embedded and NO_WEIGHTS) or (without_photographs_note() if source == "models" else "")
    if evidence == "auto":
        if not weights and source == "models":
            return not missing
        wanted = not weights or are_for_landmarks(weights)
    else:
        wanted = evidence in ("keypoints", BOTH)
    if wanted and missing:
        raise ValueError(missing)
    return wanted


def with_usual_detector(settings: Settings) -> Settings:
    """Of landmarks: photographs in the place of builtin, which has seen drawn people only, where its models are there."""
    builtin = settings.detector == Settings().detector
    return replace(settings, detector="photographs") if builtin and not without_photographs_note() else settings


def keypoint_network(weights: str | os.PathLike | None, body: Body | None, device: str) -> KeypointRefit:
    """Raises ValueError or FileNotFoundError with a sentence where the weights cannot be had or look at images."""
    network = load_network(weights or embedded_keypoint_weights(body), body=body, device=device)
    if not isinstance(network, KeypointRefit):
        raise ValueError(f"{weights} holds a network of features, which takes evidence 'features'")
    return network


def _feature_network(
    weights: str | os.PathLike | None, body: Body | None, device: str, prepared: dict[str, Any]
) -> Prepared:
    """That looks at images beside the landmarks. Raises ValueError with a sentence where the weights are for landmarks."""
    network = load_network(weights, body=body, device=device)
    if isinstance(network, KeypointRefit):
        raise ValueError(f"{weights} holds a network of landmarks; evidence 'both' takes weights that look at images")
    return prepare(network, **prepared)


def keypoint_estimators(
    settings: list[Settings],
    weights: str | os.PathLike | None,
    body: Body | None,
    device: str,
    detector: object | None = None,
    **prepared: Any,
) -> tuple[KeypointRefit, list[KeypointEstimator]]:
    """The network, and an estimator for each of some settings; they share the networks, and the first says which. Where the
    settings' evidence is "both", `weights` are those of the network that looks at images, `prepared` with these arguments
    of `inference.prepare`; the landmarks' is then the embedded one for its body.

    Raises ValueError, FileNotFoundError or ImportError with a sentence where weights, models or the detector cannot be had.
    """
    closer = None
    if any(each.evidence == BOTH for each in settings):
        features = _feature_network(weights, body, device, prepared)
        weights, body = None, features.body
        closer = CloserLook(features, max(each.iterations for each in settings))
    network = keypoint_network(weights, body, device)
    if any(each.keypoint_source == "topic" for each in settings):
        estimators = [KeypointEstimator(network, None, each, eyes=GivenEyes(), closer=closer) for each in settings]
        return network, estimators
    usual = landmark_source(settings[0], device=device)
    with_care = usual.with_care() if isinstance(usual, CheckedLandmarks) and any(map(is_thorough, settings)) else usual
    sources = [with_care if is_thorough(each) else usual for each in settings]
    return network, [
        KeypointEstimator(network, source, each, detector, closer=closer) for source, each in zip(sources, settings)
    ]

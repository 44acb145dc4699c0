"""Which evidence the network gets: features of the images, or landmarks that other networks find; and what each needs."""

from __future__ import annotations

import os

from refit_ros.core.body import Body
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, are_for_landmarks, embedded_keypoint_weights, load_network
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.detection.checked_landmarks import CheckedLandmarks, usual_landmarks
from refit_ros.detection.photographs import without_photographs_note
from refit_ros.detection.registry import is_thorough
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.settings import Settings

NO_WEIGHTS = (
    "no weights for keypoints come with this package: train some with `python -m refit_ros train --preset keypoints "
    "--output DIR` and give DIR/refit.safetensors as weights"
)


def takes_keypoints(evidence: str, weights: str | os.PathLike | None, sees_images: bool = True) -> bool:
    """Whether keypoints are to be used. "auto": as the weights want it; without any where all that keypoints need is there.

    sees_images: False where others find the landmarks, so that nothing has to be there for it.
    Raises ValueError with a sentence where keypoints are asked for and lack something.
    """
    missing = ""
    if sees_images:
        missing = (not weights and not EMBEDDED_KEYPOINT_WEIGHTS.is_file() and NO_WEIGHTS) or without_photographs_note()
    if evidence == "auto":
        if not weights:
            return not missing
        wanted = are_for_landmarks(weights)
    else:
        wanted = evidence == "keypoints"
    if wanted and missing:
        raise ValueError(missing)
    return wanted


def keypoint_network(weights: str | os.PathLike | None, body: Body | None, device: str) -> KeypointRefit:
    """Raises ValueError or FileNotFoundError with a sentence where the weights cannot be had or look at images."""
    network = load_network(weights or embedded_keypoint_weights(body), body=body, device=device)
    if not isinstance(network, KeypointRefit):
        raise ValueError(f"{weights} holds a network of features, which takes evidence 'features'")
    return network


def keypoint_estimators(
    settings: list[Settings],
    weights: str | os.PathLike | None,
    body: Body | None,
    device: str,
    detector: object | None = None,
    landmarks: str = "full",
) -> tuple[KeypointRefit, list[KeypointEstimator]]:
    """The network, and an estimator for each of some settings; they share the networks. landmarks: one of
    `detection.landmarks.KINDS`.

    Raises ValueError, FileNotFoundError or ImportError with a sentence where weights, models or the detector cannot be had.
    """
    network = keypoint_network(weights, body, device)
    usual = usual_landmarks(landmarks)
    with_care = usual.with_care() if isinstance(usual, CheckedLandmarks) and any(map(is_thorough, settings)) else usual
    sources = [with_care if is_thorough(each) else usual for each in settings]
    return network, [KeypointEstimator(network, source, each, detector) for source, each in zip(sources, settings)]

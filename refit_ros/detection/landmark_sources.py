"""Who finds landmarks, as the settings ask for it."""

from __future__ import annotations

from typing import Protocol

from refit_ros.detection.checked_landmarks import CheckedLandmarks, usual_landmarks
from refit_ros.detection.landmark_engine import TORCH, engine_on
from refit_ros.detection.landmarks import LandmarkNetwork
from refit_ros.detection.onnx_keypoints import OnnxKeypoints


class SourceSettings(Protocol):
    """What is read here of the Estimator's settings (`estimation/settings.py`, which lies above this folder)."""

    @property
    def keypoint_source(self) -> str: ...
    @property
    def keypoint_model(self) -> str: ...
    @property
    def landmarks(self) -> str: ...


def landmark_source(
    settings: SourceSettings, thorough: bool = False, device: str = "cpu"
) -> LandmarkNetwork | CheckedLandmarks | OnnxKeypoints:
    """The user's own model, or as `usual_landmarks`. Raises FileNotFoundError, ImportError or ValueError with a sentence."""
    if settings.keypoint_source == "onnx":
        return OnnxKeypoints(settings.keypoint_model)
    return usual_landmarks(settings.landmarks, thorough, device)


def landmarks_said(settings: SourceSettings, device: str) -> str:
    """What is to be said beside the device of what computes the landmarks: nothing where it is the usual one."""
    return f", landmarks with {TORCH}" if settings.keypoint_source == "models" and engine_on(device) == TORCH else ""

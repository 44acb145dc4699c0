"""Which detector the settings ask for."""

from __future__ import annotations

from typing import Protocol

from refit_ros.detection.builtin import BuiltinDetector
from refit_ros.detection.hog import HogDetector, WithFallback, hog_is_there
from refit_ros.detection.onnx_models import OnnxDetector
from refit_ros.detection.photographs import PhotographDetector
from refit_ros.detection.protocol import Detector, FullImage


class DetectorSettings(Protocol):
    """What is read here of the Estimator's settings (`estimation/settings.py`, which lies above this folder)."""

    @property
    def detector(self) -> str: ...
    @property
    def detector_model(self) -> str: ...
    @property
    def detector_confidence(self) -> float: ...
    @property
    def birth_hits(self) -> int: ...


def make_detector(settings: DetectorSettings, device="cpu") -> Detector | None:
    """The detector of `settings.detector`; None for "topic", whose boxes come with the views.

    Raises FileNotFoundError, ImportError or ValueError with a sentence where its model cannot be used.
    """
    if settings.detector == "topic":
        return None
    if settings.detector == "onnx":
        return OnnxDetector(settings.detector_model)
    if settings.detector == "full_image":
        return FullImage()
    alone = settings.birth_hits <= 1  # where being seen once makes a person, images stand alone
    builtin = BuiltinDetector(device)
    if settings.detector == "photographs":
        return PhotographDetector(builtin, thorough=alone)
    if not hog_is_there():
        return builtin
    return WithFallback(builtin, HogDetector(), settings.detector_confidence, rests=not alone)

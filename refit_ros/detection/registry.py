"""Which detector the settings ask for."""

from __future__ import annotations

from typing import Protocol

from refit_ros.detection.builtin import BuiltinDetector
from refit_ros.detection.crowds import CrowdDetector, crowds_can_be_seen
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
    def detector_effort(self) -> str: ...
    @property
    def birth_hits(self) -> int: ...


def is_thorough(settings: DetectorSettings) -> bool:
    """Whether there is time to look closely. Where being seen once makes a person, images stand alone."""
    return settings.detector_effort == "thorough" or (settings.detector_effort == "auto" and settings.birth_hits <= 1)


def make_detector(settings: DetectorSettings, device="cpu") -> Detector | None:
    """The detector of `settings.detector`; None for "topic", whose boxes come with the views.

    Raises FileNotFoundError, ImportError or ValueError with a sentence where its model cannot be used.
    """
    detector, fallback = make_detectors(settings, device)
    if detector is None or fallback is None:
        return detector
    return WithFallback(detector, fallback, settings.detector_confidence, rests=settings.birth_hits > 1)


def make_detectors(settings: DetectorSettings, device="cpu") -> tuple[Detector | None, Detector | None]:
    """As `make_detector`, with the slower one apart that is asked where the first finds nobody in any image, if any."""
    if settings.detector == "topic":
        return None, None
    if settings.detector == "onnx":
        return OnnxDetector(settings.detector_model), None
    if settings.detector == "full_image":
        return FullImage(), None
    if settings.detector == "photographs":
        thorough = is_thorough(settings)
        crowds = CrowdDetector(thorough, str(device)) if crowds_can_be_seen() else None
        if crowds is not None and not thorough:  # it sees whom the others see, drawn people too
            return crowds, None
        return PhotographDetector(BuiltinDetector(device), thorough, crowds, str(device)), None
    builtin = BuiltinDetector(device)
    return builtin, HogDetector() if hog_is_there() else None

"""Which detector the settings ask for."""
from __future__ import annotations

from refit_ros.people.detection import Detector, FullImage
from refit_ros.people.settings import Settings


def make_detector(settings: Settings, device: str = "cpu") -> Detector | None:
    """The detector of `settings.detector`; None for "topic", whose boxes come with the views.

    Raises ValueError or FileNotFoundError with a sentence where its model cannot be used.
    """
    if settings.detector == "topic":
        return None
    return FullImage()

"""Looking for people in whole images: the detector in those that are due, the fallback where it has found nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.views import Camera
from refit_ros.detection.hog import Turns, somebody
from refit_ros.detection.protocol import Detector
from refit_ros.detection.registry import make_detectors
from refit_ros.detection.results import as_detector
from refit_ros.estimation.eyes import Eyes
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.view_evidence import Expectation, Search, no_regions


def detectors(settings: Settings, device: object = "cpu", own: object | None = None) -> dict[Search, Detector]:
    """Those of the settings, or an own one: an object with `find(images)` (see detection/results.py).

    Raises ValueError or FileNotFoundError, with a sentence, where one cannot be had.
    """
    if own is not None:
        return {Search.DETECTOR: as_detector(own)}
    found = zip((Search.DETECTOR, Search.FALLBACK), make_detectors(settings, device))
    return {search: detector for search, detector in found if detector is not None}


class Searcher:
    """Asks the eyes for boxes of people."""

    def __init__(self, eyes: Eyes, settings: Settings) -> None:
        self._eyes, self._least = eyes, settings.detector_confidence
        self._turns = Turns(rests=settings.birth_hits > 1)

    def find(
        self, cameras: Sequence[Camera], asked: Collection[int], known_px: Mapping[int, np.ndarray] = MappingProxyType({})
    ) -> dict[int, Boxes]:
        """By index of the camera: those whose eyes have answered. known_px: boxes (M, 4) of who need not be found."""
        if not asked or not self._eyes.searches(Search.DETECTOR):
            return {}
        found = self._ask(cameras, asked, Search.DETECTOR, known_px)
        if somebody(found.values(), self._least) or not self._eyes.searches(Search.FALLBACK) or not self._turns.due():
            return found
        others = self._ask(cameras, asked, Search.FALLBACK, {})
        if self._turns.answered(somebody(others.values(), self._least), len(asked)):
            return found | others
        return found

    def _ask(
        self, cameras: Sequence[Camera], asked: Collection[int], search: Search, known_px: Mapping[int, np.ndarray]
    ) -> dict[int, Boxes]:
        wanted = {index: Expectation(search, known_px=known_px.get(index, no_regions())) for index in asked}
        seen = self._eyes.look(cameras, wanted)
        return {index: one.boxes for index, one in seen.items() if one.boxes is not None}

"""Which detector the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from refit_ros.people.detection import Detector, FullImage, nobody
from refit_ros.people.detector_builtin import BuiltinDetector, embedded_weights
from refit_ros.people.detector_onnx import OnnxDetector
from refit_ros.people.settings import Settings
from refit_ros.people.types import Boxes


def make_detector(settings: Settings, device="cpu") -> Detector | None:
    """The detector of `settings.detector`; None for "topic", whose boxes come with the views.

    Raises FileNotFoundError, ImportError or ValueError with a sentence where its model cannot be used.
    """
    if settings.detector == "topic":
        return None
    if settings.detector == "onnx":
        return OnnxDetector(settings.detector_model)
    if settings.detector == "full_image":
        return FullImage()
    if not embedded_weights().is_file():  # a checkout without trained weights
        return FullImage()
    return WithFallback(BuiltinDetector(device), settings.detector_confidence)


class WithFallback:
    """The builtin detector, and where it finds nobody OpenCV's HOG, which was trained on photographs.

    OpenCV 5 has dropped HOG from its main modules: without it the builtin detector stands alone.
    """

    def __init__(self, detector: Detector, least_confidence: float) -> None:
        self._detector, self._least = detector, least_confidence
        self._hog = None
        if hasattr(cv2, "HOGDescriptor"):
            self._hog = cv2.HOGDescriptor()
            self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        found = self._detector.find(images)
        if self._hog is None:
            return found
        return [
            boxes if (boxes.confidence >= self._least).any() else self._upright(image) for boxes, image in zip(found, images)
        ]

    def _upright(self, image: np.ndarray) -> Boxes:
        scale = min(1.0, 640 / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        if small.shape[0] < 128 or small.shape[1] < 64:  # the window it was trained with
            return nobody()
        boxes, weights = self._hog.detectMultiScale(small, winStride=(8, 8), scale=1.05)
        if not len(boxes):
            return nobody()
        boxes = np.asarray(boxes, float)
        # A margin of an eighth belongs to its windows.
        margin = boxes[:, 2:] / 8
        corners = np.concatenate([boxes[:, :2] + margin, boxes[:, :2] + boxes[:, 2:] - margin], 1) / scale
        return Boxes(corners, 1 / (1 + np.exp(-np.asarray(weights, float).reshape(-1))))

"""OpenCV's detector of upright people, which was trained on photographs: for when the builtin one finds nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.protocol import Detector, nobody

LONGER_SIDE_PX = 480  # of the image it looks at: about 40 ms on one core, and 640 px takes 80
WINDOW_PX = (64, 128)  # what it was trained with
MARGIN = 1 / 8  # of such a window, around the person
PADDING_PX = 16  # without it nobody at the image's edge is found
# Its scores are no probabilities. The photographs that come with scikit-image hold nobody upright, and the best score
# in them is 0.81; people lie between 0.7 and 3.
EVEN_SCORE, STEEPNESS = 1.2, 2.5
LONGEST_REST = 30  # calls for each image


def hog_is_there() -> bool:
    """OpenCV 5 has dropped it from its main modules."""
    return hasattr(cv2, "HOGDescriptor")


def without_hog_note() -> str:
    """What to tell whoever looks at photographs with the builtin detector; empty where all is well."""
    if hog_is_there():
        return ""
    return (
        f"OpenCV {cv2.__version__} has no HOG detector, so nothing helps the builtin detector out on photographs: "
        "use OpenCV 4, or detector 'onnx' or 'topic'"
    )


class HogDetector:
    """Finds people who stand or walk upright, at least a quarter of the image's height."""

    def __init__(self) -> None:
        """Raises ValueError where this OpenCV has no such detector."""
        if not hog_is_there():
            raise ValueError(without_hog_note())
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes in each image (H, W, 3) uint8 RGB; may reach over its edges."""
        return [self._in_one(image) for image in images]

    def _in_one(self, image: np.ndarray) -> Boxes:
        scale = min(1.0, LONGER_SIDE_PX / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        if small.shape[1] < WINDOW_PX[0] or small.shape[0] < WINDOW_PX[1]:
            return nobody()
        found_px, weights = self._hog.detectMultiScale(small, winStride=(8, 8), padding=(PADDING_PX,) * 2, scale=1.05)
        found, scores = np.asarray(found_px, float).reshape(-1, 4), np.asarray(weights, float).reshape(-1)
        margin = found[:, 2:] * MARGIN
        corners = np.concatenate([found[:, :2] + margin, found[:, :2] + found[:, 2:] - margin], 1) / scale
        return Boxes(corners, 1 / (1 + np.exp(-STEEPNESS * (scores - EVEN_SCORE))))


class WithFallback:
    """A detector, and another one that is asked where the first finds nobody in a whole set of images.

    The other one is slow. Each time it finds nobody either, it rests for twice as many calls, up to `LONGEST_REST` for each
    image: with 30 sets a second, an empty room costs it one image a second, however many cameras there are. Calls are
    counted instead of seconds, so that the same images always give the same boxes.
    """

    def __init__(self, detector: Detector, other: Detector, least_confidence: float, rests: bool = True) -> None:
        """rests: False where images do not follow one another in time, so that each is worth a look."""
        self._detector, self._other, self._least, self._turns = detector, other, least_confidence, Turns(rests)

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """The first detector's boxes, or the other's."""
        found = self._detector.find(images)
        if somebody(found, self._least) or not self._turns.due():
            return found
        others = self._other.find(images)
        return others if self._turns.answered(somebody(others, self._least), len(images)) else found


class Turns:
    """When the slow one is asked, as `WithFallback` says."""

    def __init__(self, rests: bool) -> None:
        self._rests = rests
        self._in_vain = self._resting = 0

    def due(self) -> bool:
        """Ask once for each set in which the first has found nobody."""
        if self._resting > 0:
            self._resting -= 1
            return False
        return True

    def answered(self, found: bool, images: int) -> bool:
        """Whether it has found somebody in so many images; returns the same."""
        if found:
            self._in_vain = 0
        elif self._rests:
            self._resting = min(2**self._in_vain, LONGEST_REST) * images - 1
            self._in_vain = min(self._in_vain + 1, LONGEST_REST)
        return found


def somebody(found: Iterable[Boxes], least_confidence: float) -> bool:
    """Whether any image shows anybody."""
    return any((boxes.confidence >= least_confidence).any() for boxes in found)

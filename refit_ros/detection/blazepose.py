"""BlazePose's detector of people in one square image: boxes of faces, and where each body is.

After the published graph (pose_detection_cpu.pbtxt of mediapipe 0.10.21): SSD anchors, decoding, weighted suppression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refit_ros.camera.geometry import overlap
from refit_ros.detection.regions import from_points
from refit_ros.detection.tflite import tflite_network

SIDE_PX = 224
# Rows of the output stand by the maps they come from: pixels a side of each, anchors in each pixel.
_MAPS = ((28, 2), (14, 2), (7, 6))
_SAME = 0.3


@dataclass(frozen=True)
class Candidates:
    """N people who may be there, in px of the square image."""

    confidence: np.ndarray  # (N,) 0 .. 1, best first
    face_px: np.ndarray  # (N, 4) left, top, right, bottom
    points_px: np.ndarray  # (N, 4, 2): hips' middle, on the circle around the body, shoulders' middle, on the upper body's

    @property
    def region(self) -> np.ndarray:
        """(N, 4): where the whole body is (detection/regions.py)."""
        return from_points(self.points_px[:, 0], self.points_px[:, 1])


class BlazePoseDetector:
    """The network with its decoding."""

    def __init__(self, device: str = "cpu") -> None:
        """device: of torch's, where the network is computed.

        Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence."""
        # Of several images in one run the rows of each map stand after one another, and how many a run has is the engine's.
        self._network = tflite_network("pose_detection", one_by_one=True, device=device)
        self._anchors = anchors()

    def find(self, squares: np.ndarray, least_confidence: float = 0.5) -> list[Candidates]:
        """In each of (N, 224, 224, 3) uint8 RGB; what is no image should be black, as in the original."""
        if not len(squares):
            return []
        outputs = self._network(squares.astype(np.float32) / 127.5 - 1)
        rows, logits = sorted(outputs, key=lambda each: -each.shape[-1])
        return [decoded(row, logit[:, 0], self._anchors, least_confidence) for row, logit in zip(rows, logits)]


def anchors() -> np.ndarray:
    """(2254, 2): the middles, 0 .. 1, in the order of the network's rows."""
    each = []
    for size, count in _MAPS:
        y, x = np.mgrid[:size, :size]
        middles = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1) / size
        each.append(np.repeat(middles, count, axis=0))
    return np.concatenate(each)


def decoded(rows: np.ndarray, logits: np.ndarray, middles: np.ndarray, least_confidence: float) -> Candidates:
    """Rows (2254, 12) and logits (2254,) of one image to candidates, those of one person made one."""
    score = 1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -100, 100)))
    sure = score >= least_confidence
    rows, score, middles = np.asarray(rows, np.float64)[sure], score[sure], middles[sure] * SIDE_PX
    middle, half = rows[:, :2] + middles, rows[:, 2:4] / 2
    points = rows[:, 4:].reshape(-1, 4, 2) + middles[:, None]
    return merged(score, np.concatenate([middle - half, middle + half], 1), points)


def merged(score: np.ndarray, boxes: np.ndarray, points: np.ndarray) -> Candidates:
    """Weighted suppression: what overlaps the best one is averaged with it, weighted by its score; and so on."""
    left = np.argsort(-score, kind="stable")
    scores, faces, bodies = [], [], []
    while len(left):
        same = overlap(boxes[left[:1]], boxes[left])[0] > _SAME
        same[0] = True
        group = left[same]
        weight = score[group] / score[group].sum()
        scores.append(score[left[0]])
        faces.append(weight @ boxes[group])
        bodies.append(np.tensordot(weight, points[group], 1))
        left = left[~same]
    return Candidates(np.array(scores), np.array(faces).reshape(-1, 4), np.array(bodies).reshape(-1, 4, 2))

"""A user's own keypoint model as ONNX: told apart by the shapes of what it gives for an image (N, 3, H, W).

Heatmaps (N, K, h, w): HRNet, ViTPose and their kin; the peak, a quarter of a cell towards its higher neighbours.
SimCC (N, K, S W) and (N, K, S H): RTMPose; the highest of S bins a pixel, along x and along y.
YOLO pose (N, 5 + 3 K, cells), or with suppression inside (N, rows, 6 + 3 K): of those whom it sees, the one in the middle.

The first two show one person in a box 1.25 times theirs, fed RGB less ImageNet's mean by its deviation, as MMPose has it;
YOLO is fed RGB 0 .. 1. K is 17 for COCO's points, 26 for Halpe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.core.landmarks import LAYOUTS
from refit_ros.detection.keypoint_layouts import as_landmarks
from refit_ros.detection.landmarks import MOST_AT_ONCE, Landmarks
from refit_ros.detection.onnx_image import OnnxImage
from refit_ros.detection.regions import WIDER, crops, from_boxes, to_image

USUAL_SIDE_PX = 256  # where the model leaves its input's size open
MEAN, DEVIATION = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])  # ImageNet's, RGB
HEATMAPS, SIMCC, YOLO = "heatmaps", "simcc", "yolo"
_LAYOUTS = {len(LAYOUTS[name]): name for name in ("coco", "halpe")}
_OFF_MIDDLE = 2.0  # confidence that YOLO's person in the middle has before one who is a crop's side away


class OnnxKeypoints:
    """A `LandmarkSource` (estimation/eyes.py). Points that the model does not have are not seen."""

    def __init__(self, path: str | Path, tried: bool = False) -> None:
        """tried: as in `OnnxImage`, and raises the same."""
        self._image = OnnxImage(path, "keypoint_model", "keypoints", tried, USUAL_SIDE_PX)
        self._height, self._width = self._image.height_px, self._image.width_px
        nothing = np.zeros((self._image.at_once or 1, 3, self._height, self._width), np.float32)
        self.kind, self.layout = recognise(self._run(nothing), path)

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks:
        """Landmarks of the people in boxes (N, 4) px of an image (H, W, 3) uint8 RGB."""
        return self.in_turned_boxes([image], [xyxy_px], [np.full(len(xyxy_px), np.nan)])[0]

    def in_turned_boxes(
        self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Landmarks]:
        """As `LandmarkNetwork.in_turned_boxes`."""
        regions = [self._regions(boxes, turns) for boxes, turns in zip(xyxy_px, turned_rad)]
        where = np.concatenate([np.zeros((0, 4)), *regions])
        count = len(LAYOUTS[self.layout])
        share, score = np.zeros((0, count, 2)), np.zeros((0, count))
        if len(where):
            cut = [crops(image, each, self._side, cv2.BORDER_CONSTANT) for image, each in zip(images, regions) if len(each)]
            share, score = self._look(np.concatenate(cut))
        found = as_landmarks(GivenKeypoints(to_image(share, where), score, self.layout), where)
        counts = np.cumsum([len(each) for each in regions])[:-1]
        return [found[some] for some in np.split(np.arange(len(where)), counts)]

    @property
    def _side(self) -> int:
        return max(self._height, self._width)

    def _regions(self, xyxy_px: np.ndarray, turned_rad: np.ndarray) -> np.ndarray:
        """(N, 4) squares of which the model sees the middle. A box of who is known is a square about them already, whichever
        way they are turned; others' are widened to the shape of what the model sees."""
        boxes = np.asarray(xyxy_px, np.float64).reshape(-1, 4)
        size = boxes[:, 2:] - boxes[:, :2]
        regions, known = from_boxes(boxes), np.isfinite(turned_rad)
        shape = self._side / np.array([self._width, self._height])
        regions[~known, 2] = WIDER * np.maximum((size * shape).max(1), 1.0)[~known]
        regions[:, 3] = np.nan_to_num(turned_rad)
        return regions

    def _look(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (N, K, 2) in shares of the squares (N, S, S, 3), and scores (N, K)."""
        left, top = (self._side - self._width) // 2, (self._side - self._height) // 2
        pixels = squares[:, top : top + self._height, left : left + self._width].astype(np.float64)
        pixels = pixels / 255 if self.kind == YOLO else (pixels - MEAN) / DEVIATION
        values = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        at_once = self._image.at_once or MOST_AT_ONCE
        parts = []
        for begin in range(0, len(values), at_once):
            part = values[begin : begin + at_once]
            missing = (self._image.at_once or len(part)) - len(part)
            outputs = self._run(np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)]))
            place_px, score = read(outputs, self.kind, self._height, self._width)
            parts.append((place_px[: len(part)], score[: len(part)]))
        place_px, score = (np.concatenate(each) for each in zip(*parts))
        return (place_px + [left, top]) / self._side, score

    def _run(self, values: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(each, np.float32) for each in self._image.run(values, (self._width, self._height))]


def recognise(outputs: Sequence[np.ndarray], path: Path | str = "model") -> tuple[str, str]:
    """What kind of model gives these, and the layout of its points. Raises ValueError, listing the shapes."""
    shapes = [output.shape for output in outputs]
    for kind, points in _readings(shapes):
        if points in _LAYOUTS:
            return kind, _LAYOUTS[points]
    known = " or ".join(f"{count} ({name})" for count, name in _LAYOUTS.items())
    raise ValueError(
        f"{path}: outputs {', '.join(map(str, shapes))} are none of heatmaps (1, K, h, w), SimCC (1, K, 2 W) and "
        f"(1, K, 2 H), or YOLO pose (1, 5 + 3 K, N), with K of {known} points"
    )


def _readings(shapes: Sequence[tuple[int, ...]]) -> list[tuple[str, int]]:
    found = [(HEATMAPS, shape[1]) for shape in shapes[:1] if len(shape) == 4]
    if len(shapes) == 2 and all(len(shape) == 3 for shape in shapes) and shapes[0][1] == shapes[1][1]:
        found.append((SIMCC, shapes[0][1]))
    if len(shapes) == 1 and len(shapes[0]) == 3:
        _, rows, columns = shapes[0]
        found += [(YOLO, (count - more) // 3) for count, more in ((rows, 5), (columns, 6)) if (count - more) % 3 == 0]
    return found


def read(outputs: Sequence[np.ndarray], kind: str, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, K, 2) in px of the input, pixels' middles at whole numbers and a half, and scores (N, K) 0 .. 1."""
    if kind == HEATMAPS:
        place, score = _peaks(outputs[0])
        place = place * [width / outputs[0].shape[3], height / outputs[0].shape[2]]
    elif kind == SIMCC:
        # The wider one is along the wider side; where both are alike x comes first.
        along_x, along_y = outputs if (outputs[0].shape[2] >= outputs[1].shape[2]) == (width >= height) else outputs[::-1]
        bins = along_x.shape[2] / width
        place = np.stack([along_x.argmax(2), along_y.argmax(2)], 2) / bins + 0.5
        score = np.minimum(along_x.max(2), along_y.max(2))
    else:
        place, score = _in_the_middle(outputs[0], height, width)
    return place, np.clip(np.nan_to_num(score), 0, 1)


def _peaks(heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, K, 2) in cells and (N, K)."""
    people, points, height, width = heat.shape
    flat = heat.reshape(people, points, -1)
    rows, columns = np.divmod(flat.argmax(2), width)
    padded = np.pad(heat, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    person, point = np.ogrid[:people, :points]

    def beside(down: int, right: int) -> np.ndarray:
        return padded[person, point, rows + 1 + down, columns + 1 + right]

    quarter = np.sign(np.stack([beside(0, 1) - beside(0, -1), beside(1, 0) - beside(-1, 0)], 2)) / 4
    return np.stack([columns, rows], 2) + 0.5 + quarter, flat.max(2)


def _in_the_middle(rows: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """YOLO's points (N, K, 2) px and scores (N, K) of one person an image."""
    if (rows.shape[1] - 5) // 3 in _LAYOUTS and (rows.shape[1] - 5) % 3 == 0:
        rows = rows.transpose(0, 2, 1)  # (N, cells, 5 + 3 K), boxes by their middles
        middle, sure, points = rows[..., :2], rows[..., 4], rows[..., 5:]
    else:
        middle, sure, points = (rows[..., :2] + rows[..., 2:4]) / 2, rows[..., 4], rows[..., 6:]
    off = np.linalg.norm(middle - np.array([width, height]) / 2, axis=2) / max(height, width)
    best = (sure - _OFF_MIDDLE * off * (sure > 0)).argmax(1)
    image = np.arange(len(rows))
    own = points[image, best].reshape(len(rows), -1, 3)
    return own[..., :2], own[..., 2] * sure[image, best, None]

"""A user's own detector as ONNX: YOLOX, YOLOv8 / YOLO11 and RT-DETR exports, told apart by the shapes of their outputs.

YOLOX: (1, N, 5 + classes), N all cells of strides 8, 16 and 32; rows cx cy w h on the grid (or decoded), objectness,
classes; fed BGR 0 .. 255.
YOLOv8, YOLO11: (1, 4 + classes, N); columns cx cy w h in input px, classes; fed RGB 0 .. 1, as all that follow.
YOLO with suppression inside (YOLOv10, YOLO26, `nms=True`): (1, N, 6); rows x1 y1 x2 y2, confidence, class, and with more
columns the points or masks of its models for these, which are not used.
RT-DETR of Ultralytics: (1, N, 4 + classes), N = 300 queries; rows cx cy w h in 0 .. 1, classes; the image stretched.
RT-DETR of transformers: logits (1, N, classes), pred_boxes (1, N, 4) cx cy w h in 0 .. 1; stretched.
RT-DETR of its authors: labels (1, N), boxes (1, N, 4), scores (1, N); boxes x1 y1 x2 y2 in image px, whose size is a
second input `orig_target_sizes`; stretched.

Class 0 is the person, as in COCO's 80 classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.onnx_image import OnnxImage
from refit_ros.detection.protocol import nobody

PERSON = 0
DEFAULT_SIDE_PX = 640  # where the model leaves its input's size open
MOST_QUERIES = 1000  # a transformer gives hundreds of rows, a grid thousands
STRIDES = (8, 16, 32)
TURNED = 7  # columns of boxes that are turned, which are others
LARGEST_SHARE = 4.0  # of the image, in a transformer's box; boxes in px have numbers far above


@dataclass(frozen=True)
class Layout:
    """How to feed a model and how to read it."""

    name: str
    stretched: bool  # the image fills the input whatever its shape, else it is shrunk and padded at right and bottom
    bgr_255: bool  # YOLOX's input


class OnnxDetector:
    """Finds people with an ONNX model through onnxruntime."""

    def __init__(self, path: str | Path, tried: bool = False) -> None:
        """tried: it is known to load and to answer; without it, that is found out in another process first.

        Raises FileNotFoundError, ImportError or ValueError with a sentence that names the file and the way to mend it.
        """
        self._image = OnnxImage(path, "detector_model", "a detector", tried, DEFAULT_SIDE_PX)
        self._path, self._height, self._width = self._image.path, self._image.height_px, self._image.width_px
        self._layout: Layout | None = None
        self.find([np.zeros((self._height, self._width, 3), np.uint8)])  # a layout that cannot be read is found out here

    @property
    def layout(self) -> str:
        assert self._layout is not None, "__init__ has found it out"
        return self._layout.name

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes of people in each image (H, W, 3) uint8 RGB."""
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> Boxes:
        if self._layout is None:
            # How it wants to be fed shows in what it gives: a first run on anything tells the shapes.
            probe = self._run(np.zeros((self._height, self._width, 3), np.uint8), Layout("?", True, False))
            self._layout = recognise(probe, self._height, self._width, self._path)
        layout = self._layout
        height, width = image.shape[:2]
        boxes, confidence = read(self._run(image, layout), layout, self._height, self._width, (width, height))
        if not len(boxes):
            return nobody()
        if layout.name != "rt_detr_authors":
            scale = (
                np.array([width / self._width, height / self._height])
                if layout.stretched
                else np.full(2, 1 / min(self._width / width, self._height / height))
            )
            boxes = boxes * np.tile(scale, 2)
        return Boxes(boxes.astype(np.float64), confidence.astype(np.float64))

    def _run(self, image: np.ndarray, layout: Layout) -> list[np.ndarray]:
        height, width = image.shape[:2]
        if layout.stretched:
            canvas: np.ndarray = cv2.resize(image, (self._width, self._height), interpolation=cv2.INTER_LINEAR)
        else:
            scale = min(self._width / width, self._height / height)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            canvas = np.full((self._height, self._width, 3), 114, np.uint8)
            canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        colours = canvas[..., ::-1].astype(np.float32) if layout.bgr_255 else canvas.astype(np.float32) / np.float32(255)
        values: np.ndarray = np.ascontiguousarray(colours.transpose(2, 0, 1)[None])
        return self._image.run(values, (width, height))


def recognise(outputs: list[np.ndarray], height: int, width: int, path: Path | str = "model") -> Layout:
    """The layout of a model whose input is height x width. Raises ValueError, listing the shapes, for an unknown one."""
    shapes = [output.shape for output in outputs]
    three = [shape for shape in shapes if len(shape) == 3]
    if len(shapes) >= 3 and any(shape[-1] == 4 for shape in three) and sum(len(shape) == 2 for shape in shapes) >= 2:
        return Layout("rt_detr_authors", True, False)
    if len(three) == 2 and any(_are_shares(output) for output in outputs) and three[0][1] == three[1][1]:
        return Layout("rt_detr_transformers", True, False)
    if len(three) >= 1 and len(shapes[0]) == 3:
        _, first, second = shapes[0]
        cells = sum((height // stride) * (width // stride) for stride in STRIDES)
        if second == cells and first >= 5:
            return Layout("yolov8", False, False)
        if first == cells and second >= 6:
            return Layout("yolox", False, True)
        if 5 <= second < first <= MOST_QUERIES and len(shapes) == 1 and _are_shares(outputs[0][..., :4]):
            return Layout("rt_detr_ultralytics", True, False)
        if (second == 6 or TURNED < second < first) and first <= MOST_QUERIES and len(three) == 1:
            return Layout("yolo_suppressed", False, False)
        if 5 <= first < second and len(three) == 1:  # other strides, as of a model with a fourth head
            return Layout("yolov8", False, False)
    raise ValueError(
        f"{path}: outputs {', '.join(map(str, shapes))} are none of YOLOX, YOLOv8, YOLO11 or RT-DETR; "
        "export the model without its own post-processing"
    )


def _are_shares(boxes: np.ndarray) -> bool:
    """Whether these are boxes (1, N, 4) in shares of the image. What suppresses may have left none, which is all zeros."""
    return boxes.ndim == 3 and boxes.shape[-1] == 4 and bool(boxes.any()) and float(np.abs(boxes).max()) < LARGEST_SHARE


def read(
    outputs: list[np.ndarray], layout: Layout, height: int, width: int, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """People's boxes (N, 4), left top right bottom in input px (RT-DETR of its authors: image px); confidences (N,)."""
    outputs = [np.asarray(output, np.float32) for output in outputs]
    if layout.name == "rt_detr_authors":
        boxes = next(output for output in outputs if output.ndim == 3 and output.shape[-1] == 4)[0]
        labels, scores = _labels_and_scores([output[0] for output in outputs if output.ndim == 2])
        return boxes[labels == PERSON], scores[labels == PERSON]
    if layout.name == "rt_detr_transformers":
        place = 0 if outputs[0].shape[-1] == 4 else 1
        scores = _sigmoid(outputs[1 - place][0, :, PERSON])
        return _corners(outputs[place][0]) * [width, height, width, height], scores
    rows = outputs[0][0]
    if layout.name == "yolo_suppressed":
        mine = rows[:, 5].round() == PERSON
        return rows[mine, :4], rows[mine, 4]
    if layout.name == "rt_detr_ultralytics":
        return _corners(rows[:, :4]) * [width, height, width, height], _probability(rows[:, 4 + PERSON])
    if layout.name == "yolov8":
        rows = rows.T
        return _corners(rows[:, :4]), _probability(rows[:, 4 + PERSON])
    return _corners(_decoded(rows[:, :4], height, width)), rows[:, 4] * rows[:, 5 + PERSON]


def _labels_and_scores(pair: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Which of two rows is whole numbers: those are the labels."""
    first, second = pair[:2]
    whole = np.array_equal(first, first.round())
    other = np.array_equal(second, second.round())
    return (second, first) if other and not whole else (first, second)


def _decoded(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """YOLOX's cx cy w h from the grid to input px; left as they are where the export decoded them already."""
    if np.median(boxes[:, 2:]) > 4 * np.log(max(height, width)) or boxes[:, :2].max(initial=0) > max(height, width) / 4:
        return boxes
    grids, steps = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride]
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
        steps.append(np.full((x.size, 1), stride))
    grid, step = np.concatenate(grids), np.concatenate(steps)
    return np.concatenate([(boxes[:, :2] + grid) * step, np.exp(np.minimum(boxes[:, 2:], 20)) * step], 1)


def _corners(boxes: np.ndarray) -> np.ndarray:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))


def _probability(values: np.ndarray) -> np.ndarray:
    """Scores as they are, or through a sigmoid where the export left them as logits."""
    return _sigmoid(values) if values.size and (values.min() < 0 or values.max() > 1) else values

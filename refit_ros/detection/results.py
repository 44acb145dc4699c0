"""Boxes of people from what common detection libraries give. None of those libraries is imported: attributes decide.

| what | where the boxes are | who is a person |
|---|---|---|
| `Boxes` | as they are | all |
| ultralytics `Results` | `.boxes.xyxy`, `.boxes.conf`, `.boxes.cls`, `.names` | the class named "person", else class 0 |
| YOLOv5's `Detections` | `.xyxy`, of one image | class 0 |
| supervision `Detections` | `.xyxy`, `.confidence`, `.class_id`, `.data["class_name"]` | likewise |
| torchvision's dict | `["boxes"]`, `["scores"]`, `["labels"]` | label 1 (COCO) |
| an array (N, 4), (N, 5) or (N, 6) | left, top, right, bottom, then confidence, then class | all; with classes, class 0 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.protocol import Detector, nobody

PERSON = "person"
PERSON_OF_COCO_80 = 0  # YOLO models and what is made of them
PERSON_OF_COCO_91 = 1  # torchvision


def boxes_from(result: Any, person_class: int | None = None) -> Boxes:
    """One image's boxes of people, px of that image, from any result of the table above; None means nobody.

    person_class: the class that is a person, where the result has other classes than the table says.
    Raises ValueError with a sentence on anything else.
    """
    if result is None:
        return nobody()
    if isinstance(result, Boxes):
        return result
    if isinstance(result, Mapping):
        return _from_mapping(result, person_class)
    if hasattr(result, "boxes") and hasattr(result.boxes, "xyxy"):  # ultralytics
        boxes, person = result.boxes, _person_of(getattr(result, "names", None))
        return _people(boxes.xyxy, getattr(boxes, "conf", None), getattr(boxes, "cls", None), person_class, person)
    if isinstance(getattr(result, "xyxy", None), (list, tuple)):  # YOLOv5, an array (N, 6) for each image
        return boxes_from(result.xyxy, person_class)
    if hasattr(result, "xyxy"):  # supervision
        named = (getattr(result, "data", None) or {}).get("class_name")
        classes = getattr(result, "class_id", None)
        if person_class is None and named is not None:
            is_person = np.char.lower(np.asarray(named).astype(str)) == PERSON
            classes = np.where(is_person, PERSON_OF_COCO_80, PERSON_OF_COCO_80 + 1)
        return _people(result.xyxy, getattr(result, "confidence", None), classes, person_class, PERSON_OF_COCO_80)
    if isinstance(result, (list, tuple)) and len(result) == 1 and not isinstance(result[0], (list, tuple, np.ndarray)):
        return boxes_from(result[0], person_class)  # libraries answer one image with a list of one
    return _from_array(result, person_class)


def as_detector(detector: Any) -> Detector:
    """A detector from an object with `find(images) -> results`, or from a function from one image to its result.

    Results are whatever `boxes_from` takes. Raises ValueError where it is neither.
    """
    if callable(getattr(detector, "find", None)):
        return _Adapted(detector.find)
    if callable(detector):
        return _Adapted(lambda images: [detector(image) for image in images])
    raise ValueError(
        f"{type(detector).__name__} is no detector: give an object with find(images), or a function from image to boxes"
    )


class _Adapted:
    """Whatever a foreign detector answers, as `Boxes`."""

    def __init__(self, find: Callable[[Sequence[np.ndarray]], Sequence[Any]]) -> None:
        self._find = find

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        results = self._find(images)
        if not hasattr(results, "__len__"):
            raise ValueError(f"find(images) gave {type(results).__name__}: it gives a list, with a result for each image")
        if len(results) != len(images):
            raise ValueError(f"the detector was asked about {len(images)} images and answered {len(results)}")
        return [boxes_from(result) for result in results]


def _from_mapping(result: Mapping, person_class: int | None) -> Boxes:
    if "boxes" not in result:
        raise ValueError(f"a detection result with the keys {', '.join(map(str, result)) or 'none'} has no 'boxes'")
    return _people(result["boxes"], result.get("scores"), result.get("labels"), person_class, PERSON_OF_COCO_91)


def _from_array(result: Any, person_class: int | None) -> Boxes:
    try:
        array = numpy_of(result)
    except (TypeError, ValueError):
        raise ValueError(f"{type(result).__name__} holds no boxes that are known here (detection/results.py)") from None
    if array.size == 0:
        return nobody()
    if array.ndim != 2 or array.shape[1] not in (4, 5, 6):
        raise ValueError(f"boxes have shape {array.shape}: expected (N, 4), or (N, 5) with confidence, or (N, 6) with class")
    confidence = array[:, 4] if array.shape[1] > 4 else None
    classes = array[:, 5] if array.shape[1] > 5 else None
    return _people(array[:, :4], confidence, classes, person_class, PERSON_OF_COCO_80)


def _people(xyxy: Any, confidence: Any, classes: Any, person_class: int | None, usual_class: int) -> Boxes:
    boxes = numpy_of(xyxy)
    if not boxes.size or boxes.shape == (4,):
        boxes = boxes.reshape(-1, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:  # reshaped, they would be other boxes
        raise ValueError(f"boxes have shape {boxes.shape}: expected (N, 4)")
    sure = np.ones(len(boxes)) if confidence is None else numpy_of(confidence).reshape(-1)
    person = np.ones(len(boxes), bool)
    if classes is not None:
        person = numpy_of(classes).reshape(-1) == (usual_class if person_class is None else person_class)
    if not len(boxes) == len(sure) == len(person):
        raise ValueError(f"{len(boxes)} boxes came with {len(sure)} confidences and {len(person)} classes")
    return Boxes(boxes[person], sure[person])


def _person_of(names: Any) -> int:
    """Which class is called a person, by ultralytics' names: {class: name} or a list."""
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names or ())
    return next((int(index) for index, name in pairs if str(name).lower() == PERSON), PERSON_OF_COCO_80)


def numpy_of(values: Any) -> np.ndarray:
    """Float64; tensors come from their device first."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, np.float64)

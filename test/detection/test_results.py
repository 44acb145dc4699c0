"""Boxes from other libraries' results. The objects here have those libraries' attributes; none of them is needed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.detection import builtin
from refit_ros.detection.registry import make_detector
from refit_ros.detection.results import as_detector, boxes_from
from refit_ros.estimation.settings import Settings

XYXY = np.array([[10.0, 20, 60, 200], [5, 5, 50, 50], [100, 30, 150, 210]])
SURE = np.array([0.9, 0.8, 0.7])


def ultralytics(classes, names=None):
    boxes = SimpleNamespace(xyxy=torch.tensor(XYXY), conf=torch.tensor(SURE), cls=torch.tensor(classes, dtype=torch.float32))
    return SimpleNamespace(boxes=boxes, names=names)


def supervision(classes, names=None):
    data = {} if names is None else {"class_name": np.array(names)}
    return SimpleNamespace(xyxy=XYXY, confidence=SURE, class_id=None if classes is None else np.array(classes), data=data)


def torchvision(labels):
    return {"boxes": torch.tensor(XYXY), "scores": torch.tensor(SURE), "labels": torch.tensor(labels)}


@pytest.mark.parametrize(
    "result, people",
    [
        (Boxes(XYXY, SURE), [0, 1, 2]),
        (ultralytics([0, 16, 0], {0: "person", 16: "dog"}), [0, 2]),
        (ultralytics([3, 0, 3], {0: "dog", 3: "person"}), [0, 2]),
        (ultralytics([3, 0, 3]), [1]),
        ([ultralytics([0, 16, 0], {0: "person", 16: "dog"})], [0, 2]),
        (supervision([0, 16, 0]), [0, 2]),
        (supervision([7, 2, 7], ["person", "dog", "person"]), [0, 2]),
        (supervision(None), [0, 1, 2]),
        (torchvision([1, 18, 1]), [0, 2]),
        ([torchvision([1, 18, 1])], [0, 2]),
        (np.concatenate([XYXY, SURE[:, None], [[0], [16], [0]]], 1), [0, 2]),
        (torch.tensor(np.concatenate([XYXY, SURE[:, None]], 1)), [0, 1, 2]),
    ],
)
def test_people_of_a_result(result, people):
    found = boxes_from(result)
    assert np.allclose(found.xyxy_px, XYXY[people]) and np.allclose(found.confidence, SURE[people])


def test_boxes_alone_are_certain_and_nothing_is_nobody():
    assert np.array_equal(boxes_from(XYXY.tolist()).confidence, np.ones(3))
    for nothing in (None, [], np.zeros((0, 4)), np.zeros((0, 6))):
        assert boxes_from(nothing).xyxy_px.shape == (0, 4)


def test_yolov5_of_one_image():
    rows = np.column_stack([XYXY[:2], SURE[:2], [0, 2]])
    found = boxes_from(SimpleNamespace(xyxy=[torch.tensor(rows)], names={0: "person", 2: "car"}))
    assert np.allclose(found.xyxy_px, XYXY[:1]) and np.allclose(found.confidence, SURE[:1])


def test_a_person_in_capitals():
    result = SimpleNamespace(
        xyxy=XYXY, confidence=SURE, class_id=np.zeros(3), data={"class_name": ["Person", "dog", "PERSON"]}
    )
    assert np.array_equal(boxes_from(result).xyxy_px, XYXY[[0, 2]])


def test_the_class_of_a_person_can_be_said():
    assert np.array_equal(boxes_from(torchvision([1, 18, 1]), person_class=18).xyxy_px, XYXY[1:2])
    assert np.array_equal(boxes_from(supervision([4, 2, 2]), person_class=4).xyxy_px, XYXY[:1])


@pytest.mark.parametrize(
    "nonsense, says",
    [
        (object(), "object holds no boxes"),
        ("person", "str holds no boxes"),
        (np.zeros((2, 7)), r"\(2, 7\)"),
        ({"scores": [1]}, "no 'boxes'"),
        ({"boxes": np.zeros((2, 6))}, r"\(2, 6\): expected \(N, 4\)"),
        ({"boxes": XYXY, "scores": SURE[:2]}, "3 boxes came with 2 confidences"),
    ],
)
def test_what_holds_no_boxes_is_one_sentence(nonsense, says):
    with pytest.raises(ValueError, match=says):
        boxes_from(nonsense)


def test_detectors_are_objects_with_find_or_functions():
    images = [np.zeros((48, 64, 3), np.uint8)] * 2
    for detector in (SimpleNamespace(find=lambda images: [XYXY] * len(images)), lambda image: XYXY):
        found = as_detector(detector).find(images)
        assert len(found) == 2 and np.array_equal(found[1].xyxy_px, XYXY)
    with pytest.raises(ValueError, match="int is no detector"):
        as_detector(3)
    with pytest.raises(ValueError, match="asked about 2 images and answered 1"):
        as_detector(SimpleNamespace(find=lambda images: [XYXY])).find(images)
    with pytest.raises(ValueError, match="gave NoneType: it gives a list"):
        as_detector(SimpleNamespace(find=lambda images: None)).find(images)


def test_missing_weights_of_the_builtin_detector_are_said(monkeypatch, tmp_path):
    """They once became, without a word, one box as large as the image."""
    monkeypatch.setattr(builtin, "embedded_weights", lambda: tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match="none.safetensors"):
        make_detector(Settings())

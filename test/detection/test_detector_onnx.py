"""Users' own detectors: each export's layout is told from its shapes, and a person's box comes out where it is."""

from __future__ import annotations

import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from refit_ros.detection import onnx_image  # noqa: E402
from refit_ros.detection.onnx_models import OnnxDetector, recognise  # noqa: E402

SIDE, CLASSES = 96, 80
CELLS = 144 + 36 + 9
TRUE = np.array([16.0, 8.0, 40.0, 56.0])  # in input px


@pytest.fixture(autouse=True)
def trusted(request, monkeypatch):
    """A process for each of these models would take longer than all of their tests."""
    if "tried" not in request.keywords:
        monkeypatch.setattr(onnx_image, "try_model", lambda path, setting: None)


def model(path, outputs: dict[str, np.ndarray], side=SIDE, sizes=False):
    """A graph that says the same whatever it sees."""
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])]
    if sizes:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
    constants, infos = [], []
    for name, value in outputs.items():
        constants.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value)))
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
    graph = helper.make_graph(constants, "detector", inputs, infos)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def middle(box):
    return np.array([*(box[:2] + box[2:]) / 2, *(box[2:] - box[:2])])


def yolov8(classes=CLASSES):
    out = np.zeros((1, 4 + classes, CELLS), np.float32)
    out[0, :4, 7], out[0, 4, 7] = middle(TRUE), 0.9
    if classes > 1:  # a bicycle
        out[0, :4, 9], out[0, 5, 9] = [50, 50, 10, 10], 0.95
    return {"output0": out}


def yolox(decoded=False):
    out = np.zeros((1, CELLS, 5 + CLASSES), np.float32)
    cell = 3 * 12 + 3  # column 3 of row 3 at stride 8
    cx, cy, w, h = middle(TRUE)
    if decoded:
        out[0, :, 2:4] = 30
    out[0, cell, :4] = [cx, cy, w, h] if decoded else [cx / 8 - 3, cy / 8 - 3, np.log(w / 8), np.log(h / 8)]
    out[0, cell, 4], out[0, cell, 5] = 0.9, 1.0
    return {"output": out}


def rt_detr_ultralytics():
    out = np.zeros((1, 30, 4 + 20), np.float32)
    out[0, 5, :4], out[0, 5, 4] = middle(TRUE) / SIDE, 0.9
    return {"output0": out}


def rt_detr_transformers():
    logits, boxes = np.full((1, 30, CLASSES), -9, np.float32), np.zeros((1, 30, 4), np.float32)
    boxes[0, 5], logits[0, 5, 0] = middle(TRUE) / SIDE, 2.2
    return {"logits": logits, "pred_boxes": boxes}


def rt_detr_authors():
    labels = np.ones((1, 30), np.int64)
    labels[0, 5] = 0
    boxes, scores = np.zeros((1, 30, 4), np.float32), np.full((1, 30), 0.01, np.float32)
    boxes[0, 5], scores[0, 5] = TRUE * [1, 0.75, 1, 0.75], 0.9
    return {"labels": labels, "boxes": boxes, "scores": scores}


def suppressed():
    out = np.zeros((1, 30, 6), np.float32)
    out[0, :, 5] = 3
    out[0, 2] = [*TRUE, 0.9, 0]
    return {"output0": out}


def suppressed_with(columns, nobody_in_black=False):
    """A model for points or masks, which are told behind each box; fed black it may tell of nobody."""
    out = np.zeros((1, 60, 6 + columns), np.float32)
    out[0, :, 6:] = 0.5
    if not nobody_in_black:
        out[0, 2, :6] = [*TRUE, 0.9, 0]
    return {"output0": out, **({"output1": np.zeros((1, 32, 4, 4), np.float32)} if columns == 32 else {})}


STRETCHED = TRUE * [1, 0.75, 1, 0.75]


@pytest.mark.parametrize(
    "outputs,name,expected",
    [
        (yolov8(), "yolov8", TRUE),
        (yolov8(classes=1), "yolov8", TRUE),
        (yolox(), "yolox", TRUE),
        (yolox(decoded=True), "yolox", TRUE),
        (rt_detr_ultralytics(), "rt_detr_ultralytics", STRETCHED),
        (rt_detr_transformers(), "rt_detr_transformers", STRETCHED),
        (rt_detr_authors(), "rt_detr_authors", STRETCHED),
        (suppressed(), "yolo_suppressed", TRUE),
        (suppressed_with(51), "yolo_suppressed", TRUE),
        (suppressed_with(32), "yolo_suppressed", TRUE),
    ],
)
def test_layouts_are_recognised_and_read(tmp_path, outputs, name, expected):
    detector = OnnxDetector(model(tmp_path / "m.onnx", outputs, sizes=name == "rt_detr_authors"))
    assert detector.layout == name
    for scale in (1, 5):  # 4 : 3, so that stretching and padding differ; boxes grow with the image
        (boxes,) = detector.find([np.zeros((72 * scale, 96 * scale, 3), np.uint8)])
        best = int(np.argmax(boxes.confidence))
        factor = 1 if name == "rt_detr_authors" else scale  # its boxes are in the image's px by themselves
        assert np.abs(boxes.xyxy_px[best] - expected * factor).max() < 1e-3 * scale
        assert boxes.confidence[best] == pytest.approx(0.9, abs=0.01) and (boxes.confidence > 0.5).sum() == 1


def test_a_model_that_finds_nobody_in_black_is_recognised_all_the_same():
    (found,) = suppressed_with(51, nobody_in_black=True).values()
    assert recognise([found], SIDE, SIDE).name == "yolo_suppressed"
    other_strides = np.zeros((1, 84, 500), np.float32)
    assert recognise([other_strides], SIDE, SIDE).name == "yolov8"


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 17, 384), (1, 17, 512)],  # SimCC: points of one person
        [(1, 100, 5), (1, 100)],  # MMDeploy's boxes and labels
        [(1, 100, 5), (1, 100, 17, 3)],  # RTMO
        [(1, 8400, 4), (1, 8400, 80)],  # YOLO-NAS, boxes in px
        [(1, 300, 7)],  # turned boxes
    ],
)
def test_other_models_are_not_taken_for_one_of_those_known(shapes):
    with pytest.raises(ValueError, match="none of YOLOX"):
        recognise([np.full(shape, 30, np.float32) for shape in shapes], 640, 640)


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.onnx"):
        OnnxDetector(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match="text.onnx"):
        OnnxDetector(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match=r"\(1, 7\)"):
        OnnxDetector(model(tmp_path / "classifier.onnx", {"out": np.zeros((1, 7), np.float32)}))


def endless(path):
    """A loop whose condition is always true."""
    says = [
        helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))
    ]
    again = [helper.make_tensor_value_info("on", TensorProto.BOOL, [])]
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "body", says, again)
    true = helper.make_node("Constant", [], ["true"], value=numpy_helper.from_array(np.array(True)))
    answer = helper.make_node("Constant", [], ["out"], value=numpy_helper.from_array(suppressed()["output0"]))
    image = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    out = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 30, 6])]
    graph = helper.make_graph([true, helper.make_node("Loop", ["", "true"], [], body=body), answer], "endless", image, out)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def greedy(path):
    """It makes an array of 4 TB before it answers."""
    far = helper.make_node("Constant", [], ["far"], value=numpy_helper.from_array(np.array([10**12], np.int64)))
    large = helper.make_node("ConstantOfShape", ["far"], ["large"])
    least = helper.make_node("ReduceMin", ["large"], ["least"], keepdims=0)
    answer = helper.make_node("Constant", [], ["some"], value=numpy_helper.from_array(suppressed()["output0"]))
    add = helper.make_node("Add", ["some", "least"], ["out"])
    image = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    out = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 30, 6])]
    graph = helper.make_graph([far, large, least, answer, add], "greedy", image, out)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.tried
def test_a_model_that_does_not_end_or_takes_all_memory_is_told_and_not_loaded(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="greedy.onnx .*export it again"):
        OnnxDetector(greedy(tmp_path / "greedy.onnx"))
    monkeypatch.setenv("REFIT_LIMIT_DETECTOR_SECONDS", "10")
    refused = "did not answer within 10 s|ended the process|is no usable ONNX model"  # by us, the system or onnxruntime
    with pytest.raises(ValueError, match=f"endless.onnx ({refused})"):
        OnnxDetector(endless(tmp_path / "endless.onnx"))


@pytest.mark.tried
def test_a_sound_model_is_tried_and_loaded_and_what_is_none_is_named(tmp_path):
    (found,) = OnnxDetector(model(tmp_path / "sound.onnx", yolov8())).find([np.zeros((SIDE, SIDE, 3), np.uint8)])
    assert (found.confidence > 0.5).sum() == 1
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "page.onnx").write_text("<html>sign in</html>")
    (tmp_path / "noise.onnx").write_bytes(bytes(range(1, 200)))
    for name, word in (("pipe.onnx", "a named pipe"), ("page.onnx", "a web page"), ("noise.onnx", "no usable ONNX model")):
        with pytest.raises(ValueError, match=word):
            OnnxDetector(tmp_path / name)

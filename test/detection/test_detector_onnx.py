"""Users' own detectors: each export's layout is told from its shapes, and a person's box comes out where it is."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from refit_ros.detection.onnx_models import OnnxDetector  # noqa: E402

SIDE, CLASSES = 96, 80
CELLS = 144 + 36 + 9
TRUE = np.array([16.0, 8.0, 40.0, 56.0])  # in input px


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


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.onnx"):
        OnnxDetector(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match="text.onnx"):
        OnnxDetector(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match=r"\(1, 7\)"):
        OnnxDetector(model(tmp_path / "classifier.onnx", {"out": np.zeros((1, 7), np.float32)}))

"""A TensorFlow.js model's files as TensorFlow's GraphDef: a small graph with every kind of part, computed by OpenVINO."""

import base64
import json

import numpy as np
import pytest

from refit_ros.detection.tfjs import graph_def


def text(*values: str) -> list[str]:
    return [base64.b64encode(value.encode()).decode() for value in values]


def model(bias: bool = True, activation: str = "Relu6") -> tuple[dict, bytes, dict[str, np.ndarray]]:
    """images (1, 4, 4, 3) int32 -> a joined convolution, and one by channel, of them."""
    rng = np.random.default_rng(0)
    kernels = {
        "kernel": rng.normal(size=(3, 3, 3, 2)).astype(np.float16),
        "by_channel": rng.normal(size=(3, 3, 3, 1)).astype(np.float16),
        "bias": np.array([-3.0, 0.5], np.float16),
        "bias_3": np.array([1.0, -0.5, 0.0], np.float16),
    }
    shape = np.array([1, 16, 2], np.int32)
    halves = {"dtype": "float16", "original_dtype": "float32"}
    weights = [
        {"name": name, "shape": list(value.shape), "dtype": "float32", "quantization": halves}
        for name, value in kernels.items()
    ]
    weights.append({"name": "shape", "shape": [3], "dtype": "int32"})
    fused = text(*(["BiasAdd"] if bias else []), *([activation] if activation else []))
    way = {
        "T": {"type": "DT_FLOAT"},
        "strides": {"list": {"i": ["1", "1", "1", "1"]}},
        "padding": {"s": text("SAME")[0]},
        "data_format": {"s": text("NHWC")[0]},
        "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
        "fused_ops": {"list": {"s": fused}},
        "num_args": {"i": "1"},
        "epsilon": {"f": 0.0},
    }
    dims = [{"size": "1"}, {"size": "4"}, {"size": "4"}, {"size": "3"}]
    nodes = [
        {"name": "input", "op": "Placeholder", "attr": {"dtype": {"type": "DT_INT32"}, "shape": {"shape": {"dim": dims}}}},
        *({"name": name, "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}}} for name in kernels),
        {"name": "shape", "op": "Const", "attr": {"dtype": {"type": "DT_INT32"}}},
        {
            "name": "as_float",
            "op": "Cast",
            "input": ["input"],
            "attr": {"SrcT": {"type": "DT_INT32"}, "DstT": {"type": "DT_FLOAT"}, "Truncate": {"b": False}},
        },
        {
            "name": "depthwise",
            "op": "FusedDepthwiseConv2dNative",
            "input": ["as_float", "by_channel", "bias_3"],
            "attr": {**way, "fused_ops": {"list": {"s": text("BiasAdd")}}},
        },
        {"name": "joined", "op": "_FusedConv2D", "input": ["depthwise", "kernel", "bias"], "attr": way},
        {
            "name": "Identity",
            "op": "Reshape",
            "input": ["joined", "shape"],
            "attr": {"T": {"type": "DT_FLOAT"}, "Tshape": {"type": "DT_INT32"}},
        },
    ]
    topology = {"node": nodes, "library": {}, "versions": {"producer": 808}}
    raw = b"".join(value.tobytes() for value in kernels.values()) + shape.tobytes()
    return {"modelTopology": topology, "weightsManifest": [{"paths": ["w.bin"], "weights": weights}]}, raw, kernels


def convolved(image: np.ndarray, kernels: dict[str, np.ndarray], bias: bool, activation: str) -> np.ndarray:
    def windows(values):
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))  # (4, 4, C, 3, 3)

    own = {name: value.astype(float) for name, value in kernels.items()}
    by_channel = np.einsum("xycij,ijc->xyc", windows(image.astype(float)), own["by_channel"][..., 0]) + own["bias_3"]
    result = np.einsum("xycij,ijco->xyo", windows(by_channel), own["kernel"]) + (own["bias"] if bias else 0)
    if activation:
        result = result.clip(0, 6 if activation == "Relu6" else None)
    return result.reshape(1, 16, 2)


@pytest.mark.parametrize(("bias", "activation"), [(True, "Relu6"), (True, "Relu"), (True, ""), (False, "Relu")])
def test_a_graph_computes_what_its_files_say(tmp_path, bias, activation):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    files, raw, kernels = model(bias, activation)
    path = tmp_path / "graph.pb"
    path.write_bytes(graph_def(json.dumps(files).encode(), raw))
    compiled = openvino.Core().compile_model(openvino.Core().read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = np.random.default_rng(1).integers(0, 5, (4, 4, 3)).astype(np.int32)
    wanted = convolved(image, kernels, bias, activation)
    assert np.abs(compiled([image[None]])[0] - wanted).max() < 1e-4 and (wanted != 0).any() and np.ptp(wanted) > 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files, raw: (b"<html>", raw), "JSONDecodeError"),
        (lambda files, raw: (b"[]", raw), "TypeError"),
        (lambda files, raw: (json.dumps({**files, "weightsManifest": []}).encode(), raw), "bytes of weights"),
        (lambda files, raw: (json.dumps(files).encode(), raw[:-40]), "buffer"),
        (lambda files, raw: (json.dumps(files).encode(), raw + b"12"), "bytes of weights"),
    ],
)
def test_other_files_are_told_in_a_sentence(spoil, told):
    files, raw, _ = model()
    with pytest.raises(ValueError, match="no graph model of TensorFlow.js") as caught:
        graph_def(*spoil(files, raw))
    assert told in str(caught.value)

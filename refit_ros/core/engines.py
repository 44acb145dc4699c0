"""Other programs that can compute the convolutions on a CPU: OpenVINO, and ONNX Runtime, which is optional."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from refit_ros.core.encoder import folded_encoder
from refit_ros.core.errors import InputError
from refit_ros.core.feedback import MarkerHead
from refit_ros.core.openvino_engine import openvino_encoder

_HOW_TO_GET = {"openvino": "pip install openvino", "onnxruntime": "in the source folder, pip install '.[onnx]'"}


def make_encoder(engine: str, backbone: nn.Module, head: MarkerHead, example: Tensor, precision: str):
    """Images (B, 3, S, S) float32, each shaped like `example` (1, 3, S, S), -> maps, pooled, computed by `engine`.

    Raises InputError where the engine is not installed, cannot run on the example's device or in this precision.
    """
    device = example.device
    if device.type != "cpu":
        raise InputError(f"engine {engine} runs on the CPU here, and the device is {device}: use engine torch or device cpu")
    encoder = folded_encoder(backbone, head)
    try:
        make = {"openvino": openvino_encoder, "onnxruntime": _onnxruntime}[engine]
        return make(encoder, example, precision)
    except ModuleNotFoundError as error:
        raise InputError(
            f"engine {engine} was asked for and is not installed ({error.name} is missing): "
            f"{_HOW_TO_GET[engine]}, or use engine torch"
        ) from error


def _onnxruntime(encoder: torch.nn.Module, example: Tensor, precision: str):
    import onnxruntime

    if precision != "float32":
        raise InputError(f"engine onnxruntime computes in float32 only, not in {precision}")
    names = ["images", "maps", "pooled"]
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    with warnings.catch_warnings(), torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        quiet.setLevel(logging.ERROR)
        file = Path(folder) / "encoder.onnx"
        # The exporter without a compiler: it needs no package besides torch.
        torch.onnx.export(
            encoder,
            (example,),
            file,
            dynamo=False,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "crops"} for name in names},
        )
        quiet.setLevel(level)
        content = file.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(value) for value in session.run(None, {"images": images.contiguous().numpy()}))

    return run

"""A .tflite file computed by OpenVINO on the CPU, any number of images at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


class TfliteNetwork:
    """One input (1, S, S, 3) in the file, (N, S, S, 3) here; the outputs in the file's order.

    Not for several threads at a time.
    """

    def __init__(self, path: Path) -> None:
        """Raises ImportError or ValueError with a sentence where it cannot be used."""
        try:
            import openvino
        except ImportError as error:
            raise ImportError(f"{path.name} needs OpenVINO: pip install openvino") from error
        core = openvino.Core()
        try:
            model = core.read_model(path)
            shape = model.inputs[0].get_partial_shape().to_shape()
            model.reshape(openvino.PartialShape([-1, *shape[1:]]))
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                },
            )
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot use {path}: {str(error).strip().splitlines()[-1]}") from error
        self._request = compiled.create_infer_request()
        self._outputs = compiled.outputs
        self.side_px = int(shape[1])

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """images: (N, S, S, 3) float32 in the file's own range."""
        results = self._request.infer([np.ascontiguousarray(images, np.float32)], share_inputs=True)
        return tuple(results[output].copy() for output in self._outputs)

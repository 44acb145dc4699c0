"""A .tflite file computed by OpenVINO on the CPU, any number of images at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from refit_ros.core.openvino_engine import compiled_by_openvino, one_by_one_by_openvino, openvino_module


class TfliteNetwork:
    """One input (1, S, S, 3) in the file, (N, S, S, 3) here; the outputs in the file's order.

    Not for several threads at a time.
    """

    def __init__(self, path: Path, one_by_one: bool = False) -> None:
        """one_by_one: never several images in one run; for a file whose outputs mix the images of a run.

        Raises ImportError or ValueError with a sentence where it cannot be used.
        """
        try:
            openvino = openvino_module()
        except ImportError as error:
            raise ImportError(f"{path.name} needs OpenVINO: pip install openvino") from error
        core = openvino.Core()
        try:
            model = core.read_model(path)
            shape = model.inputs[0].get_partial_shape().to_shape()
            self.side_px = int(shape[1])
            compiled = one_by_one_by_openvino if one_by_one else compiled_by_openvino
            self._compiled = compiled(model, np.zeros((1, *tuple(shape)[1:]), np.float32))
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot use {path}: {str(error).strip().splitlines()[-1]}") from error

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """images: (N, S, S, 3) float32 in the file's own range."""
        return self._compiled(images)

"""A .tflite file computed by OpenVINO on the CPU or by torch on a GPU, any number of images at a time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from refit_ros.core.openvino_compiler import Source, openvino_module
from refit_ros.core.openvino_engine import compiled_by_openvino, one_by_one_by_openvino
from refit_ros.detection.in_use import InUse
from refit_ros.detection.kept_networks import KeptNetworks, name_of
from refit_ros.detection.landmark_engine import compiled_on, one_name
from refit_ros.models.files import path_of


def tflite_network(
    name: str, one_by_one: bool = False, device: str = "cpu", unread: Collection[tuple[int, ...]] = ()
) -> TfliteNetwork:
    """The one that this program has in use already, or a new one.

    `name`: in the table of models. one_by_one: never several images in one run; for a file whose outputs mix the images of
    a run. device: of torch's. unread: shapes of outputs (without the first dimension) that need not come; whether they do is
    the engine's. Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
    """
    device = one_name(device)
    path = path_of(name)  # of the table's digest, so that a name says what is in it
    return in_use.or_new(
        (name, one_by_one, device, tuple(unread)), lambda: TfliteNetwork(path, name_of(name), one_by_one, device, unread)
    )


class TfliteNetwork:
    """One input (1, S, S, 3) in the file, (N, S, S, 3) here; the outputs in the file's order, in float32."""

    def __init__(
        self, path: Path, name: str, one_by_one: bool, device: str = "cpu", unread: Collection[tuple[int, ...]] = ()
    ) -> None:
        """As `tflite_network`, from the file; `name` tells what is in it."""
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
            self.source = source = Source(lambda: model, name, KeptNetworks())
            example = np.zeros((1, *tuple(shape)[1:]), np.float32)
            self._compiled = compiled_on(device, path.stem, source, example, lambda: compiled(source, example), unread)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot use {path}: {str(error).strip().splitlines()[-1]}") from error

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """images: (N, S, S, 3) float32 in the file's own range."""
        return self._compiled(images)


in_use: InUse[TfliteNetwork] = InUse()

"""A TensorFlow.js model computed by OpenVINO on the CPU or by torch on a GPU, any number of images at a time."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from refit_ros.core.openvino_compiler import Source, openvino_module
from refit_ros.core.openvino_engine import Compiled, one_by_one_by_openvino
from refit_ros.detection import tfjs
from refit_ros.detection.in_use import InUse
from refit_ros.detection.kept_networks import KeptNetworks, name_of
from refit_ros.detection.landmark_engine import compiled_on, one_name
from refit_ros.models.files import path_of


def tfjs_network(name: str, alone: bool = False, device: str = "cpu") -> TfjsNetwork:
    """The one that this program has in use already, or a new one.

    `name`: of the two files, without an ending. alone: nothing else computes meanwhile. device: of torch's.
    Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
    """
    device = one_name(device)
    files = path_of(f"{name}.json"), path_of(f"{name}.bin")  # of the table's digests, so that a name says what is in them
    return in_use.or_new((name, alone, device), lambda: TfjsNetwork(name, *files, alone, device))


class TfjsNetwork:
    """One input (1, S, S, 3) of the image's own numbers, 0 .. 255."""

    def __init__(self, name: str, topology: Path, weights: Path, alone: bool, device: str = "cpu") -> None:
        """As `tfjs_network`, from the two files."""
        self._name, self._alone, self._files, self._device = name, alone, (topology, weights), device
        self._compiled: dict[int, Compiled] = {}
        self._one_at_a_time = threading.Lock()  # of the sides

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """squares (N, S, S, 3) uint8 -> the first output, (N, ...)."""
        side_px = squares.shape[1]
        if side_px not in self._compiled:
            self.prepare(side_px)
        return self._compiled[side_px](squares)[0]

    def prepare(self, side_px: int) -> None:
        """For images of this side, a multiple of 32, so that the first of them does not wait for it."""
        with self._one_at_a_time:
            if side_px not in self._compiled:
                self._compiled[side_px] = self._compiled_for(side_px)

    def _compiled_for(self, side_px: int) -> Compiled:
        try:
            openvino_module()
        except ImportError as error:
            raise ImportError(f"{self._name} needs OpenVINO: pip install openvino") from error
        example = np.zeros((1, side_px, side_px, 3), np.uint8)

        def on_cpu() -> Compiled:
            with self.source() as source:  # another one, since a GPU may fail when the first is long gone
                return one_by_one_by_openvino(source, example, self._alone)

        try:
            with self.source() as source:
                return compiled_on(self._device, self._name, source, example, on_cpu)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot use {self._name}: {str(error).strip().splitlines()[-1]}") from error

    @contextmanager
    def source(self) -> Iterator[Source]:
        """What can be read meanwhile."""
        with tempfile.TemporaryDirectory(prefix="refit_ros-") as folder:
            yield Source(lambda: self._read(Path(folder)), name_of(self._name, tfjs), KeptNetworks())

    def _read(self, folder: Path):
        """An openvino.Model, whose weights stay in a file of this folder."""
        path = folder / "graph.pb"  # OpenVINO reads TensorFlow's graphs from files only
        path.write_bytes(self._graph)
        return openvino_module().Core().read_model(path)

    @cached_property
    def _graph(self) -> bytes:
        topology, weights = self._files
        return tfjs.graph_def(topology.read_bytes(), weights.read_bytes())


in_use: InUse[TfjsNetwork] = InUse()

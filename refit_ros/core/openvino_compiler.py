"""A network compiled by OpenVINO, or taken as it was compiled at an earlier start."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

HINTS = {"float32": "f32", "bfloat16": "bf16"}


def openvino_module() -> ModuleType:
    """OpenVINO, imported so that it tells nobody: by itself it sends its makers a message for each import and conversion.

    Raises ImportError where it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # to Python: cannot be imported
    import openvino

    return openvino


class Kept(Protocol):
    """Compiled networks of earlier starts, each under all that it was compiled from and for."""

    def get(self, key: str) -> bytes | None:
        """None where nothing sound is kept."""

    def put(self, key: str, compiled: bytes) -> None:
        """Whether it can be kept is nobody's concern but this one's."""


@dataclass(frozen=True)
class Source:
    """A network before it is compiled.

    read: a new openvino.Model; not called where all that is asked for is kept. name: tells what it reads from everything
    else, such as the digest of its file.
    """

    read: Callable[[], Any]
    name: str = ""
    kept: Kept | None = None


class Compiler:
    """One network, for inputs of one shape; it is read at most once."""

    def __init__(self, source: Source, shape: Sequence[int], input_type: np.dtype | None = None) -> None:
        """shape: -1 for any number. input_type: of the arrays that are given to it, where that is not the network's own."""
        self._source, self._shape, self._input_type = source, list(shape), input_type

    @cached_property
    def _model(self):
        openvino = openvino_module()
        model = self._source.read()
        model.reshape(openvino.PartialShape(self._shape))
        if self._input_type is None:
            return model
        taking = openvino.preprocess.PrePostProcessor(model)
        taking.input().tensor().set_element_type(openvino.Type(self._input_type))
        return taking.build()

    def __call__(self, streams: int, threads: int, precision: str = "float32"):
        """An openvino.CompiledModel. Raises RuntimeError where this processor cannot compute it."""
        openvino = openvino_module()
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": streams,
            # Pinned to a core, a thread waits for whatever else runs there while another core is free.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads,
        }
        core, kept = openvino.Core(), self._source.kept
        if kept is None:
            return core.compile_model(self._model, "CPU", settings)
        key = repr((self._source.name, self._shape, str(self._input_type), settings, openvino.__version__, processor()))
        before = kept.get(key)
        if before is not None:
            try:
                return core.import_model(before, "CPU", settings)
            except RuntimeError:
                pass  # kept all the same, and of no use here: compiled anew
        compiled = core.compile_model(self._model, "CPU", settings)
        try:
            kept.put(key, bytes(compiled.export_model().getbuffer()))
        except RuntimeError:
            pass  # it computes, and that is what was asked for
        return compiled


@cache
def processor() -> str:
    """What this processor can do: a network is compiled for that."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    said = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}  # the last core's
    return " ".join(said.get(word, "") for word in ("model name", "flags", "Features", "CPU part"))

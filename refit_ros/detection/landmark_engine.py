"""What computes the landmark networks: OpenVINO on the CPU, torch on a GPU, and OpenVINO again where the GPU fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

import numpy as np
import torch

from refit_ros.core.openvino_compiler import Source
from refit_ros.core.openvino_engine import Arrays, Compiled

log = logging.getLogger(__name__)

OPENVINO, TORCH = "openvino", "torch"


def engine_on(device: str) -> str:
    """The engine that computes landmark networks on this device of torch's."""
    return TORCH if torch.device(device).type == "cuda" else OPENVINO


def one_name(device: str) -> str:
    """One and the same for every name of a device, as "cuda" and "cuda:0" are."""
    named = torch.device(device)
    return f"{named.type}:{named.index or 0}" if named.type == "cuda" else named.type


def compiled_on(
    device: str,
    name: str,
    source: Source,
    example: np.ndarray,
    on_cpu: Callable[[], Compiled],
    unread: Collection[tuple[int, ...]] = (),
) -> Compiled:
    """A network for images like `example` (1, S, S, 3), on this device; `on_cpu` makes what computes it by OpenVINO.

    name: what a user knows it by. unread: shapes, without the first dimension, of outputs that need not come.
    Raises what `on_cpu` raises where that is needed.
    """
    if engine_on(device) == OPENVINO:
        return on_cpu()
    return _OnGpu(device, name, source, example, on_cpu, unread)


class _OnGpu:
    """By torch, until the GPU fails."""

    def __init__(
        self,
        device: str,
        name: str,
        source: Source,
        example: np.ndarray,
        on_cpu: Callable[[], Compiled],
        unread: Collection[tuple[int, ...]],
    ) -> None:
        from refit_ros.core.torch_engine import compiled_by_torch
        from refit_ros.core.torch_operations import UnknownOperation

        self._device, self._name, self._on_cpu = device, name, on_cpu
        self._falling_back = threading.Lock()  # of several threads that ask the first makes the other way
        try:
            self._way: Compiled = compiled_by_torch(source, example, device, unread)
            self._fails = False
        except UnknownOperation as error:
            self._fall_back(f"is not computed on a GPU here, for the operation {error}")
        except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts that it has it
            self._fall_back(self._told(error))

    def __call__(self, images: np.ndarray) -> Arrays:
        if self._fails:
            return self._way(images)
        try:
            return self._way(images)
        except RuntimeError as error:
            why = self._told(error)
        # Outside, since the exception holds on to what the call had on the GPU.
        with self._falling_back:
            if not self._fails:
                self._fall_back(why)
        return self._way(images)

    def _told(self, error: Exception) -> str:
        if isinstance(error, torch.OutOfMemoryError):
            return f"does not fit into the memory of {self._device}"
        return f"fails on {self._device} ({str(error).strip().splitlines()[0][:200]})"

    def _fall_back(self, why: str) -> None:
        self._way, self._fails = self._on_cpu(), True
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log.warning("%s %s: OpenVINO computes it on the CPU from now on", self._name, why)

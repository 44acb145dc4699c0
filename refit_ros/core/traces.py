"""Traces: a computation on a processor recorded once, then run without Python.

A step of the loop is some hundred small operations on a few numbers each. To start one of them from Python takes three
times as long as to compute it; from a recording (TorchScript) they follow each other at once, and other threads run
meanwhile. The operations and their order are the same.

They are computed on one thread: several, which wait for each other after each operation, take nearly twice as long on two
cores, and far longer where other programs keep one of them.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Kind = TypeVar("Kind", bound=Hashable)
Compute = Callable[[Kind, tuple[Tensor, ...]], tuple[Tensor, ...]]

_RUNS_THAT_OPTIMISE = 2  # TorchScript looks at the first run and rewrites the recording in the second


class Traced(Generic[Kind]):
    """`compute(kind, tensors) -> tensors`, recorded for each kind as it first comes, for any number of rows.

    Every tensor in has a row a crop, and `compute` reads that number from the tensors' own shape, never by `len`, which
    a recording would hold for ever. `kind` says whatever else the computation depends on. Without gradients. Where this
    PyTorch cannot record it, it is computed as it is, and the log says so once.
    """

    def __init__(self, compute: Compute[Kind]) -> None:
        self._compute = compute
        self._traces: dict[Hashable, Callable[..., tuple[Tensor, ...]]] = {}
        self._lock = threading.Lock()
        self._cannot = False

    def __call__(self, kind: Kind, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._cannot or torch.jit.is_tracing():  # within another recording it becomes a part of that
            return self._compute(kind, tensors)
        trace = self._traces.get(kind)
        if trace is None:
            with self._lock:
                try:
                    trace = self._traces.get(kind) or self._recorded(kind, tensors)
                except RuntimeError as error:
                    found = self._compute(kind, tensors)  # what was given may be at fault; then this says so
                    self._cannot = True
                    log.warning("goes on without recordings, slower: %s", str(error).strip().splitlines()[0])
                    return found
                self._traces[kind] = trace
        with one_thread():
            return trace(*tensors)

    def forget(self) -> None:
        """Give the recordings' memory back."""
        self._traces.clear()

    def _recorded(self, kind: Kind, tensors: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
        with warnings.catch_warnings():
            # Shapes are compared on the way; and PyTorch would rather compile, for which a machine needs a compiler.
            warnings.simplefilter("ignore")
            with unit_of_its_own():
                trace = torch.jit.trace(lambda *given: self._compute(kind, given), tensors, check_trace=False)
        for _ in range(_RUNS_THAT_OPTIMISE):
            trace(*tensors)
        return trace


def recorded_on_processor(compute: Compute[Kind], device: torch.device) -> Compute[Kind]:
    """The same from recordings on a processor; on a GPU as it is."""
    return Traced(compute) if device.type == "cpu" else compute


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, PyTorch computes on this thread alone on a processor; it costs less than a microsecond."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_recording = threading.Lock()


@contextmanager
def unit_of_its_own() -> Iterator[None]:
    """What is recorded within goes when nobody holds it any more.

    PyTorch keeps every recorded function in one compilation unit for good, and with it the network's numbers: a node that
    was taken through its lifecycle grew by a network each time.
    """
    state = torch.jit._state
    with _recording:
        before = state._python_cu
        state._python_cu = torch._C.CompilationUnit()
        try:
            yield
        finally:
            state._python_cu = before

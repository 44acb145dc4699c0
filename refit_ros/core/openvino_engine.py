"""Convolutions by OpenVINO on a CPU, spread over its cores as measured here.

Several threads can share one crop, or each can take a crop of its own. Threads that share wait for each other after
every layer, which a small network's layers are not worth: there two threads take longer than one. A large network's are.
Which it is depends on the network, the processor and the number of crops, so both are tried when a network is prepared.

A crop by itself is computed on the thread that asks. OpenVINO does so where it has one stream; several are threads of their
own, which have to be woken and wait for a core wherever other programs keep them busy.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.errors import InputError
from refit_ros.core.openvino_compiler import HINTS, Compiler, Source, openvino_module
from refit_ros.core.traces import unit_of_its_own

Arrays = tuple[np.ndarray, ...]
Compiled = Callable[[np.ndarray], Arrays]  # (N, ...) -> outputs (N, ...)

_TURNS = 4  # of each way; the quickest turn counts, since others use the machine too


def openvino_encoder(encoder: torch.nn.Module, example: Tensor, precision: str) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Images (B, 3, S, S) float32, each shaped like `example` (1, 3, S, S), -> maps, pooled.

    It takes as many threads as torch has now. Raises InputError for a precision that OpenVINO does not compute in, and for
    what it cannot compute on this processor.
    """
    if precision not in HINTS:
        raise InputError(f"engine openvino computes in float32 or bfloat16, not in {precision}")
    try:
        compiled = compiled_by_openvino(Source(lambda: converted(encoder, example)), example.numpy(), precision)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1][:200]
        raise InputError(f"OpenVINO cannot compute this network in {precision} here ({why}): take engine torch") from error
    return lambda images: tuple(torch.from_numpy(values) for values in compiled(images.numpy()))


def converted(network: torch.nn.Module, example: Tensor):
    """An OpenVINO model of `network`, whose input is like `example` (1, ...)."""
    openvino = openvino_module()
    with warnings.catch_warnings(), torch.inference_mode(), unit_of_its_own():
        warnings.simplefilter("ignore")
        # Traced here: left to itself, the converter checks its trace by code whose import alone takes longer than all else.
        return openvino.convert_model(torch.jit.trace(network, example, check_trace=False), example_input=example)


def compiled_by_openvino(source: Source, example: np.ndarray, precision: str = "float32") -> Compiled:
    """A network of one input, for any number of rows like `example` (1, ...), on as many threads as torch has now.

    Raises RuntimeError where this processor cannot compute it: some of that shows only when it does.
    """
    compiler = Compiler(source, [-1, *example.shape[1:]])  # one kernel set for any number of rows, of one size
    threads = torch.get_num_threads()
    alone = _Streams(compiler(1, 1, precision), 1)
    if threads == 1:
        return _tried(alone, example)
    each, shared = (_Streams(compiler(streams, threads, precision), streams) for streams in (threads, 1))
    return _Quickest(measured([alone, shared], example, [1]) | measured([each, shared], example, sorted({2, threads})))


def one_by_one_by_openvino(source: Source, example: np.ndarray, alone: bool = False) -> Compiled:
    """As `compiled_by_openvino`, of a network whose one input (1, ...) cannot be widened, for rows of `example`'s type; each
    on a core. alone: nothing else computes meanwhile, and rows mostly come by themselves: all cores share each. (On two
    cores MoveNet's MultiPose takes a tenth longer so for two rows, and half as long for one.)
    """
    compiler, threads = Compiler(source, example.shape, example.dtype), torch.get_num_threads()
    streams = 1 if alone else threads
    one = _OneByOne(_Streams(compiler(1, threads if alone else 1), 1))
    if streams == 1:
        return _tried(one, example)
    each = _OneByOne(_Streams(compiler(streams, threads), streams))
    return _Quickest({1: _tried(one, example), 2: _tried(each, example)})


def _tried(way: Compiled, example: np.ndarray) -> Compiled:
    """The same, once it has computed something."""
    way(example)
    return way


class _OneByOne:
    """As many rows at a time as there are streams."""

    def __init__(self, streams: _Streams) -> None:
        self._streams = streams

    def __call__(self, rows: np.ndarray) -> Arrays:
        most = self._streams.count
        parts = [self._streams.run([row[None] for row in rows[begin : begin + most]]) for begin in range(0, len(rows), most)]
        return tuple(np.concatenate(outputs) for outputs in zip(*parts))


class _Streams:
    """The rows in as many groups as there are streams, all at once; each stream has its share of the threads.

    For several threads at a time: what is computed for each lies in requests of its own.
    """

    def __init__(self, compiled, streams: int) -> None:
        """compiled: an openvino.CompiledModel."""
        self._compiled, self.count = compiled, streams
        self._of_thread = threading.local()

    @property
    def _requests(self) -> list:
        if not hasattr(self._of_thread, "requests"):
            self._of_thread.requests = [self._compiled.create_infer_request() for _ in range(self.count)]
        return self._of_thread.requests

    def __call__(self, rows: np.ndarray) -> Arrays:
        groups = np.array_split(np.ascontiguousarray(rows, np.float32), min(len(rows), self.count))
        return self.run(groups)

    def run(self, groups: Sequence[np.ndarray]) -> Arrays:
        """Each group (n, ...) of the model's own type by a stream; there are no more of them than streams."""
        busy = self._requests[: len(groups)]
        if self.count == 1:
            busy[0].infer([groups[0]], share_inputs=True, share_outputs=True)  # on this thread
        else:
            for request, group in zip(busy, groups):
                request.start_async([group], share_inputs=True)
            for request in busy:
                request.wait()
        outputs = range(len(self._compiled.outputs))
        return tuple(np.concatenate([request.get_output_tensor(i).data for request in busy]) for i in outputs)


class _Quickest:
    """One of several ways, by the number of rows."""

    def __init__(self, by_count: Mapping[int, Compiled]) -> None:
        self._by_count = sorted(by_count.items())

    def __call__(self, rows: np.ndarray) -> Arrays:
        chosen = self._by_count[0][1]
        for count, way in self._by_count:
            if count <= len(rows):
                chosen = way
        return chosen(rows)


def measured(ways: Sequence[Compiled], example: np.ndarray, counts: Sequence[int]) -> dict[int, Compiled]:
    """For each number of rows the quickest of these ways; they take turns."""
    chosen = {}
    for count in counts:
        rows = np.repeat(example, count, axis=0)
        took_s = [float("inf")] * len(ways)
        for _ in range(_TURNS):
            for number, way in enumerate(ways):
                begin_s = time.perf_counter()
                way(rows)
                took_s[number] = min(took_s[number], time.perf_counter() - begin_s)
        chosen[count] = ways[took_s.index(min(took_s))]
    return chosen

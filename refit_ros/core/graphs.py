"""CUDA graphs: a computation recorded once for each number of crops, then replayed by one command.

One crop's pass is about a thousand small operations; started one by one they cost more time than they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import torch
from torch import Tensor

_WARM_UP = 3
_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)  # a call is filled up to the next of these


Kind = TypeVar("Kind", bound=Hashable)


class Recorded(Generic[Kind]):
    """`compute(kind, tensors) -> tensors`, recorded for each kind and number of rows as it first comes.

    Every tensor in and out has a row a crop. `kind` says whatever else the computation depends on. Rows that only fill
    a recording up hold some crop's numbers, and -1 where the tensor is of integers: they are nobody's view.
    """

    def __init__(self, compute: Callable[[Kind, tuple[Tensor, ...]], tuple[Tensor, ...]]) -> None:
        self._compute = compute
        self._recordings: dict[Hashable, _Recording] = {}

    def __call__(self, kind: Kind, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        count = len(tensors[0])
        key = kind, next((size for size in _SIZES if size >= count), count)
        if key not in self._recordings:
            self._recordings[key] = _Recording(lambda inputs: self._compute(kind, inputs), tensors, key[1])
        return self._recordings[key].replay(tensors, count)

    def forget(self) -> None:
        """Give the recordings' memory back."""
        self._recordings.clear()


class _Recording:
    def __init__(
        self, compute: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]], tensors: tuple[Tensor, ...], size: int
    ) -> None:
        self._inputs = tuple(_filled_up(tensor, size) for tensor in tensors)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                compute(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = compute(self._inputs)

    def replay(self, tensors: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
        for static, given in zip(self._inputs, tensors):
            static[:count].copy_(given, non_blocking=True)
            if not static.is_floating_point():
                static[count:].fill_(-1)
        self._graph.replay()
        return tuple(output[:count].clone() for output in self._outputs)


def _filled_up(tensor: Tensor, size: int) -> Tensor:
    """A copy of `size` rows."""
    last = tensor[-1:] if tensor.is_floating_point() else torch.full_like(tensor[-1:], -1)
    return torch.cat((tensor, last.expand(size - len(tensor), *tensor.shape[1:])))

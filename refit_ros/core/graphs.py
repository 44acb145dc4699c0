"""CUDA graphs: a whole call recorded once for each number of crops, then replayed by one command.

One crop's pass is some thousand small operations; started one by one they cost more time than they compute.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import torch
from torch import Tensor

from refit_ros.core.types import Crops, Estimate, Fit, Views

_WARM_UP = 3
_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)  # a call is filled up to the next of these


class GraphedFit:
    """`compute(crops, views, betas, start, iterations) -> Fit`, recorded for each kind of call as it first comes."""

    def __init__(self, compute: Callable[..., Fit]) -> None:
        self._compute = compute
        self._recorded: dict[tuple, _Recording] = {}

    def __call__(self, crops: Crops, views: Views | None, betas: Tensor | None, start: Estimate | None,
                 iterations: int) -> Fit:
        count = len(crops)
        size = next((s for s in _SIZES if s >= count), count)
        inputs = _Inputs(crops, views, betas, start).filled_up(size - count)
        key = (size, views is not None, betas is not None, start is not None, iterations)
        if key not in self._recorded:
            self._recorded[key] = _Recording(self._compute, inputs, iterations)
        return self._recorded[key].replay(inputs, count)

    def forget(self) -> None:
        """Give the recordings' memory back."""
        self._recorded.clear()


class _Inputs:
    def __init__(self, crops: Crops, views: Views | None, betas: Tensor | None, start: Estimate | None) -> None:
        self.crops, self.views, self.betas, self.start = crops, views, betas, start

    def tensors(self) -> list[Tensor]:
        parts = [part for part in (self.crops, self.views, self.start) if part is not None]
        listed = [getattr(part, field.name) for part in parts for field in fields(part)]
        return listed if self.betas is None else [*listed, self.betas]

    def map(self, function: Callable[[Tensor], Tensor]) -> _Inputs:
        def each(part):
            return None if part is None else replace(part, **{f.name: function(getattr(part, f.name)) for f in fields(part)})
        return _Inputs(each(self.crops), each(self.views), None if self.betas is None else function(self.betas),
                       each(self.start))

    def filled_up(self, extra: int) -> _Inputs:
        """With `extra` copies of the last crop, which are nobody's view."""
        if extra == 0:
            return self
        more = self.map(lambda value: torch.cat((value, value[-1:].expand(extra, *value.shape[1:]))))
        if more.views is not None:
            person = more.views.person.clone()
            person[-extra:] = -1
            more.views = replace(more.views, person=person)
        return more


class _Recording:
    def __init__(self, compute: Callable[..., Fit], inputs: _Inputs, iterations: int) -> None:
        self._inputs = inputs.map(torch.clone)
        arguments = (self._inputs.crops, self._inputs.views, self._inputs.betas, self._inputs.start, iterations)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                compute(*arguments)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            fit = compute(*arguments)
            # One tensor for each quantity, all iterations together: four copies hand the result over.
            self._outputs = [torch.stack([getattr(e, f.name) for e in fit.history]) for f in fields(Estimate)]

    def replay(self, inputs: _Inputs, count: int) -> Fit:
        for static, given in zip(self._inputs.tensors(), inputs.tensors()):
            static.copy_(given, non_blocking=True)
        self._graph.replay()
        values = [output[:, :count].clone() for output in self._outputs]
        history = tuple(Estimate(*(value[i] for value in values)) for i in range(len(values[0])))
        return Fit(history[-1], history)

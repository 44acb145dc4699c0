"""Batches of synthetic people, on the fly or from files, and several sources mixed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refit_ros.training.data import Batch, Source, batch_of_samples, join


class SyntheticSource:
    """Renders every batch when it is asked for: `single` crops of their own and `sets` people seen by `views` cameras.

    samples: a `refit_ros.synthetic.samples.SampleSource`, or anything with its `batch` and `generator_state`.
    """

    def __init__(self, samples, single: int, sets: int = 0, views: int = 4):
        if single < 1 and sets < 1:
            raise ValueError("a batch needs at least one crop")
        self._samples, self._single, self._sets, self._views = samples, single, sets, views

    def batch(self) -> Batch:
        parts = []
        if self._sets:
            parts.append(batch_of_samples(self._samples.batch(self._sets, views=self._views)))
        if self._single:
            parts.append(batch_of_samples(self._samples.batch(self._single)))
        return join(parts)

    def state_dict(self) -> dict:
        return {"generators": generator_states(self._samples)}

    def load_state_dict(self, state: dict) -> None:
        for generator, kept in zip(_generators(self._samples), state["generators"]):
            generator.set_state(kept)


def generator_states(samples) -> list[Tensor]:
    return [generator.get_state() for generator in _generators(samples)]


def _generators(samples) -> list[torch.Generator]:
    """Every torch.Generator that a sample source holds, in a fixed order."""
    return [value for _, value in sorted(vars(samples).items()) if isinstance(value, torch.Generator)]


class MixedSource:
    """Each batch is put together from several sources, each giving its share of the crops."""

    def __init__(self, sources: Sequence[Source]):
        self._sources = list(sources)

    def batch(self) -> Batch:
        return join([source.batch() for source in self._sources])

    def state_dict(self) -> dict:
        return {str(number): source.state_dict() for number, source in enumerate(self._sources)}

    def load_state_dict(self, state: dict) -> None:
        for number, source in enumerate(self._sources):
            source.load_state_dict(state[str(number)])


def shares(batch: int, proportions: Sequence[float]) -> list[int]:
    """How many of `batch` crops each source gives; every source at least one. Largest remainders get what is left."""
    if any(p <= 0 for p in proportions):
        raise ValueError("every proportion must be above 0")
    if batch < len(proportions):
        raise ValueError(f"a batch of {batch} cannot be shared by {len(proportions)} sources: take a larger --batch")
    exact = [batch * p / sum(proportions) for p in proportions]
    whole = [max(1, int(e)) for e in exact]
    for index in sorted(range(len(exact)), key=lambda i: int(exact[i]) - exact[i]):
        if sum(whole) < batch:
            whole[index] += 1
    while sum(whole) > batch:
        whole[whole.index(max(whole))] -= 1
    return whole

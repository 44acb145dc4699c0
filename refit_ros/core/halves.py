"""Where a GPU's memory does not hold all people's views at once, they are computed in two parts, and those again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import torch
from torch import Tensor

from refit_ros.core.refit import Features
from refit_ros.core.types import Crops, Estimate, Fit, Views


def fit_in_halves(
    fit: Callable[..., Fit],
    features: Features,
    crops: Crops,
    views: Views | None,
    betas: Tensor | None,
    start: Estimate | None,
    iterations: int,
) -> Fit | None:
    """What `fit` gives for all rows, from calls with half of the people each; None where there is one person only.

    Views of one person belong together, so a person is never divided.
    """
    rows = len(features.pooled)
    person = torch.arange(rows) if views is None else views.person.cpu()
    people = person.unique()
    if len(people) < 2:
        return None
    first = torch.isin(person, people[: len(people) // 2])
    parts = [mask.nonzero()[:, 0].to(features.pooled.device) for mask in (first, ~first)]
    fits = [
        fit(
            _rows(features, part),
            _rows(crops, part),
            None if views is None else _rows(views, part),
            None if betas is None else betas[part],
            None if start is None else _rows(start, part),
            iterations,
        )
        for part in parts
    ]
    order = torch.cat(parts).argsort()
    history = tuple(
        Estimate(*(torch.cat([getattr(each, field.name) for each in pair])[order] for field in fields(Estimate)))
        for pair in zip(*(each.history for each in fits))
    )
    return Fit(history[-1], history)


def _rows(values, part: Tensor):
    """A dataclass of tensors, one row for each view, cut down to some of them."""
    return replace(
        values,
        **{field.name: getattr(values, field.name)[part.to(getattr(values, field.name).device)] for field in fields(values)},
    )

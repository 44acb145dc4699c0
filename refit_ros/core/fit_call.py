"""A call of the loop as a kind and a list of tensors: what a recording of it can be looked up by, and take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from refit_ros.core.refit import Features
from refit_ros.core.types import Crops, Estimate, Fit, Views


class Kind(NamedTuple):
    """What the operations of a call depend on besides its tensors."""

    has_views: bool
    has_betas: bool
    has_start: bool
    iterations: int


@dataclass(frozen=True)
class FitCall:
    """The arguments of `Refit.fit`."""

    features: Features
    crops: Crops
    views: Views | None
    betas: Tensor | None
    start: Estimate | None
    iterations: int

    def packed(self) -> tuple[Kind, tuple[Tensor, ...]]:
        """The kind, and the tensors, each of a row a crop. The crops' images are not among them: the loop reads none."""
        kind = Kind(self.views is not None, self.betas is not None, self.start is not None, self.iterations)
        crops, views, start = self.crops, self.views, self.start
        tensors = [self.features.maps, self.features.pooled]
        tensors += [crops.center_px, crops.side_px, crops.focal_px, crops.principal_px]
        tensors += [] if views is None else [views.person, views.camera_from_world]
        tensors += [] if self.betas is None else [self.betas]
        tensors += [] if start is None else [getattr(start, field.name) for field in fields(Estimate)]
        return kind, tuple(tensors)


def unpacked(kind: Kind, tensors: tuple[Tensor, ...]) -> FitCall:
    """The inverse of `FitCall.packed`, but for the crops' images, which are empty."""
    rest = iter(tensors)
    features = Features(next(rest), next(rest))
    # The count from the tensor's own shape: a recording is then of any number of crops.
    images = features.pooled.new_zeros(1, 3, 1, 1).expand(features.pooled.shape[0], -1, -1, -1)
    crops = Crops(images, *(next(rest) for _ in range(4)))
    views = Views(next(rest), next(rest)) if kind.has_views else None
    betas = next(rest) if kind.has_betas else None
    start = Estimate(*rest) if kind.has_start else None
    return FitCall(features, crops, views, betas, start, kind.iterations)


def stacked(fit: Fit) -> tuple[Tensor, ...]:
    """Each quantity of a fit as one tensor (B, iterations + 1, ...)."""
    return tuple(torch.stack([getattr(e, f.name) for e in fit.history], dim=1) for f in fields(Estimate))


def unstacked(values: tuple[Tensor, ...], iterations: int) -> Fit:
    """The inverse of `stacked`."""
    history = tuple(Estimate(*(value[:, i] for value in values)) for i in range(iterations + 1))
    return Fit(history[-1], history)

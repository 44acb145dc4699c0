"""Random numbers from one seeded generator, wanted on one device."""

from __future__ import annotations

import torch
from torch import Tensor


class Dice:
    """Draws on the generator's own device and moves what it drew: a CPU generator gives the same on every device."""

    def __init__(self, generator: torch.Generator, device: torch.device | str | None = None):
        self.generator = generator
        self.device = torch.device(device) if device is not None else generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand(shape, generator=self.generator, device=self.generator.device)
        return drawn.to(self.device, non_blocking=True) * (high - low) + low

    def normal(self, *shape: int, sigma: float = 1.0, most: float = 3.0) -> Tensor:
        """Zero mean; numbers beyond `most` sigmas are cut to it."""
        drawn = torch.randn(shape, generator=self.generator, device=self.generator.device)
        return drawn.to(self.device, non_blocking=True).clamp(-most, most) * sigma

    def below(self, high: int, *shape: int) -> Tensor:
        """Integers 0 .. high - 1."""
        drawn = torch.randint(high, shape, generator=self.generator, device=self.generator.device)
        return drawn.to(self.device, non_blocking=True)

    def chance(self, probability: float, *shape: int) -> Tensor:
        return self.uniform(0, 1, *shape) < probability

    def choice(self, probabilities: tuple[float, ...], *shape: int) -> Tensor:
        """Index of one of several things, each with its probability (they need not sum to 1)."""
        total = sum(probabilities)
        edges, level = [], 0.0
        for probability in probabilities[:-1]:
            level += probability / total
            edges.append(level)
        drawn = self.uniform(0, 1, *shape)
        return sum((drawn >= edge).long() for edge in edges) if edges else torch.zeros_like(drawn, dtype=torch.long)

    def order(self, count: int) -> Tensor:
        """The numbers 0 .. count - 1 in any order."""
        return torch.randperm(count, generator=self.generator, device=self.generator.device).to(self.device)

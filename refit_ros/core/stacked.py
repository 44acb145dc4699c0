"""Layers that are computed together and stored apart: parameters are stacks, files hold the published layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class Stacked(nn.Module):
    """A module whose `state_dict` is that of the published layers, not of its parameters."""

    def published(self) -> dict[str, tuple[Tensor, ...]]:
        """Each published layer's weights and biases: views of the parameters, side by side along the last dimension."""
        raise NotImplementedError

    @torch.no_grad()
    def draw(self) -> None:
        """Begin with random numbers, a layer after the other, as `nn.Linear` would."""
        if next(self.parameters()).is_meta:  # a plan, without numbers
            return
        bound = 0.0
        for name, parts in self.published().items():
            shape = torch.cat(parts, dim=-1).shape
            if name.endswith("weight"):
                bound = 1 / math.sqrt(shape[-1])  # of the bias too, which comes next
            _fill(parts, torch.empty(shape).uniform_(-bound, bound))

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, parts in self.published().items():
            value = _joined(parts)
            destination[prefix + name] = value if keep_vars else value.detach()

    @torch.no_grad()
    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        errors: list[str],
    ) -> None:
        layers = {prefix + name: parts for name, parts in self.published().items()}
        missing_keys += [name for name in layers if name not in state_dict]
        unexpected_keys += [name for name in state_dict if name.startswith(prefix) and name not in layers]
        for name, parts in layers.items():
            if name not in state_dict:
                continue
            value, expected = state_dict[name], torch.cat(parts, dim=-1).shape
            if value.shape != expected:
                errors.append(f"{name} has shape {tuple(value.shape)}, expected {tuple(expected)}")
                continue
            _fill(parts, value)


def stack(*shape: int) -> nn.Parameter:
    """Zeros; `Stacked.draw` puts random numbers where a published layer has its own."""
    return nn.Parameter(torch.zeros(*shape))


def _fill(parts: tuple[Tensor, ...], value: Tensor) -> None:
    for into, part in zip(parts, value.split([part.shape[-1] for part in parts], dim=-1)):
        into.copy_(part)


def _joined(parts: tuple[Tensor, ...]) -> Tensor:
    """Side by side. Of a plan, which has no numbers, by hand: PyTorch would load its compiler for it, for seconds."""
    if parts[0].is_meta:
        return parts[0].new_empty(*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
    return torch.cat(parts, dim=-1)

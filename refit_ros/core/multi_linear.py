"""Several linear layers side by side, one for each stream, as one batched product."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class MultiLinear(nn.Module):
    """Streams (B, K, I) -> (B, K, O): y_k = W_k x_k + b_k."""

    def __init__(self, streams: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(streams, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(streams, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("koi,bki->bko", self.weight, x) + self.bias

"""3 x 3 convolutions with a quarter of the multiplications, for CPUs: Winograd's F(4 x 4, 3 x 3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: Y = A' [(G g G') * (B' d B)] A for each
tile d of 6 x 6 inputs and its 4 x 4 outputs. Summed over channels, the product in the middle is 36 products of matrices,
(tiles x inputs) by (inputs x outputs), which oneDNN computes at the full rate of the processor.

The transforms interpolate at 0, +-p, +-q and infinity. The usual +-1, +-2 lose more digits than the pairs that are each
other's inverse, found best for bfloat16 by trying (Barabasz et al., "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks", TOMS 2020, on why the points matter).
"""
from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn

P, Q = 2 / 3, 3 / 2
TILE, STEP = 6, 4         # inputs and outputs of one tile, in each direction
_TILES_AT_ONCE = 256      # crops with small maps go through together up to here: more rows for a product
_ROWS_AT_ONCE = 4         # of tiles, through the transform of the inputs, whose steps then find their numbers in the cache
_LEAST_PIXELS = 32 * 32   # of a map: below, reading four times the weights takes longer than is saved
_LEAST_CHANNELS = {torch.float32: 128, torch.bfloat16: 256}  # the transforms grow with the channels, the products with
# their square; in bfloat16 products are quicker and transforms are not


def suits(convolution: nn.Conv2d, height: int, width: int) -> bool:
    """Whether the convolution can be computed so, on a map of this size, and is quicker then."""
    plain = (convolution.kernel_size == (3, 3) and convolution.stride == (1, 1) and convolution.padding == (1, 1)
             and convolution.dilation == (1, 1) and convolution.groups == 1 and convolution.padding_mode == "zeros")
    least = _LEAST_CHANNELS.get(convolution.weight.dtype)
    return (plain and least is not None and height * width >= _LEAST_PIXELS
            and min(convolution.in_channels, convolution.out_channels) >= least)


class Winograd(nn.Module):
    """relu(convolution(x)), or without the ReLU. (B, C, H, W) -> (B, K, H, W), channels last, of any size.

    Some crops at a time: what it holds besides input and output does not grow with the batch.
    """

    def __init__(self, convolution: nn.Conv2d, relu: bool) -> None:
        super().__init__()
        weight = convolution.weight.detach()
        self.inputs, self.outputs, self.relu = convolution.in_channels, convolution.out_channels, relu
        transform = _weight_transform()
        weights = torch.einsum("ia,kcab,jb->ijkc", transform, weight.double(), transform)
        weights = weights.to(weight.dtype).flatten(0, 1)
        self.weights = [torch.ops.mkldnn._reorder_linear_weight(w.contiguous(), _TILES_AT_ONCE) for w in weights]
        self.bias = None if convolution.bias is None else convolution.bias.detach()
        powers = P ** torch.arange(STEP, dtype=torch.float64)
        self.scales = (powers[:, None] * powers).to(weight.dtype)[:, None, :, None]  # (4, 1, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        rows, columns = -(-height // STEP), -(-width // STEP)
        x = x.permute(0, 2, 3, 1)
        y = x.new_empty(batch, rows, STEP, columns, STEP, self.outputs)
        crops = max(1, _TILES_AT_ONCE // (rows * columns))
        for begin in range(0, batch, crops):
            self._convolve(x[begin:begin + crops], y[begin:begin + crops])
        y = y.view(batch, STEP * rows, STEP * columns, self.outputs)
        return y[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve(self, x: Tensor, y: Tensor) -> None:
        """x (b, H, W, C) into y (b, rows, 4, columns, 4, K)."""
        _, rows, _, columns, _, _ = y.shape
        tiles = self._transformed(x, rows, columns).view(TILE * TILE, -1, self.inputs)
        products = [torch.ops.mkldnn._linear_pointwise(values, weight, None, "none", [], "")
                    for values, weight in zip(tiles.unbind(), self.weights)]
        down = _held("down", y, STEP, TILE, *products[0].shape)
        for i, part in enumerate(down.unbind(1)):
            _back(products[i::TILE], part)
        down = down.view(STEP, TILE, len(x), rows, columns, self.outputs).permute(1, 2, 3, 0, 4, 5)
        _back(down.unbind(), y.permute(4, 0, 1, 2, 3, 5))
        torch.mul(y, self.scales, out=y) if self.bias is None else torch.addcmul(self.bias, y, self.scales, out=y)
        if self.relu:
            y.relu_()

    def _transformed(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """B' d B of all tiles, (6, 6, b, rows, columns, C), in memory that the next call takes over."""
        batch, height, width, channels = x.shape
        # Columns lie apart by their place in the tile, so that an element of all tiles of a row is one run of memory.
        padded = _held("padded", x, batch, STEP * rows + 2, STEP, columns + 1, channels)
        padded[:, 0], padded[:, height + 1:], padded[:, :, 0, 0] = 0, 0, 0
        for place in range(STEP):
            part = x[:, :, (place - 1) % STEP::STEP]
            begin = 0 if place else 1
            end = begin + part.shape[2]
            padded[:, 1:height + 1, place, begin:end], padded[:, :, place, end:] = part, 0
        result = _held("tiles", x, TILE, TILE, batch, rows, columns, channels)
        for begin in range(0, rows, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, rows - begin)
            part = padded[:, STEP * begin:STEP * (begin + count) + 2]
            across = _held("across", x, TILE, batch, STEP * count + 2, columns, channels)
            _inputs([part[:, :, i % STEP, i // STEP:i // STEP + columns] for i in range(TILE)], across)
            _inputs([across[:, :, i:i + STEP * (count - 1) + 1:STEP] for i in range(TILE)],
                    result[:, :, :, begin:begin + count])
        return result


_memory = threading.local()


def _held(name: str, like: Tensor, *shape: int) -> Tensor:
    """Memory of this thread's, of any content, for all convolutions in turn.

    So much that is asked for and given back in every call would come from the system page by page each time, which
    takes as long as the products.
    """
    held = _memory.__dict__
    key, size = (name, like.dtype), math.prod(shape)
    if key not in held or held[key].numel() < size:
        with torch.inference_mode(False):  # it is written to in later calls of either mode
            held[key] = torch.empty(size, dtype=like.dtype)
    return held[key][:size].view(shape)


def _weight_transform() -> Tensor:
    """G, (6, 3) float64, with everything in it that the other two transforms leave out."""
    points = torch.tensor([0, P, -P, Q, -Q], dtype=torch.float64)
    differences = points[:, None] - points
    differences.fill_diagonal_(1)
    finite = points[:, None] ** torch.arange(3) / differences.prod(dim=1, keepdim=True)
    # `_back` adds the last one to what is still to be taken P ** 3 times
    return torch.cat((finite, torch.tensor([[0, 0, P ** -3]], dtype=torch.float64)))


def _inputs(d: Sequence[Tensor], out: Tensor) -> None:
    """B' d in one direction: `out[i]` for the points 0, P, -P, Q, -Q and infinity, from the six elements d."""
    at_0, at_p, at_minus_p, at_q, at_minus_q, at_infinity = out.unbind()
    for point, other, above, below in ((P, Q, at_p, at_minus_p), (Q, P, at_q, at_minus_q)):
        even = torch.sub(d[4], d[2], alpha=other ** 2)
        odd = torch.sub(d[3], d[1], alpha=other ** 2)
        torch.add(even, odd, alpha=point, out=above)
        torch.sub(even, odd, alpha=point, out=below)
    # P Q = 1, so the outermost coefficients are 1
    torch.sub(torch.add(d[0], d[4]), d[2], alpha=P ** 2 + Q ** 2, out=at_0)
    torch.sub(torch.add(d[1], d[5]), d[3], alpha=P ** 2 + Q ** 2, out=at_infinity)


def _back(m: Sequence[Tensor], out: Tensor) -> None:
    """A' m in one direction but for the factors P ** k of output k: `out[k]` from the values at the six points."""
    ratio = Q / P
    first, second, third, fourth = out.unbind()
    even, odd = torch.add(m[1], m[2]), torch.sub(m[1], m[2])
    even_q, odd_q = torch.add(m[3], m[4]), torch.sub(m[3], m[4])
    torch.add(odd, odd_q, alpha=ratio, out=second)
    torch.add(even, even_q, alpha=ratio ** 2, out=third)
    torch.add(even.add_(even_q), m[0], out=first)
    torch.add(odd.add_(odd_q, alpha=ratio ** 3), m[5], out=fourth)

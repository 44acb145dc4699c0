"""What this machine can do at best, measured in the same run: products of matrices, and copies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from refit_ros.benchmarking.timing import measured_s
from refit_ros.core.backbone import make_backbone
from refit_ros.core.config import NetworkConfig
from refit_ros.core.encoder import Encoder
from refit_ros.core.feedback import MarkerHead


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of the largest product that is quick to measure.

    On a CPU by both of torch's libraries, and in the size of a convolution's product too: MKL's products run at half
    the rate of oneDNN's on processors that are not Intel's, and `torch.mm` takes MKL's in float32.
    """
    shapes = [(8192, 8192, 8192)] if device.type == "cuda" else [(1536, 1536, 1536), (256, 768, 256)]
    return max(_product_rate(*shape, device, dtype) for shape in shapes)


def _product_rate(rows: int, inner: int, columns: int, device: torch.device, dtype: torch.dtype) -> float:
    left, right = torch.randn(rows, inner, device=device).to(dtype), torch.randn(inner, columns, device=device).to(dtype)
    calls = [lambda: left @ right]
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        weight = torch.ops.mkldnn._reorder_linear_weight(right.T.contiguous(), rows)
        calls.append(lambda: torch.ops.mkldnn._linear_pointwise(left, weight, None, "none", [], ""))
    flops = 2 * rows * inner * columns
    number = max(3, int(2e10 / flops))
    with torch.inference_mode():
        return flops / min(measured_s(call, device, number) for call in calls for _ in range(5))


def copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.zeros((1 << 28) if device.type == "cuda" else (1 << 25), device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(measured_s(lambda: target.copy_(source), device, number=3) for _ in range(5))


def encoder_cost(config: NetworkConfig) -> tuple[float, float]:
    """(floating-point operations, numbers read and written) of backbone and head for one crop.

    2 operations a multiply-add. Numbers: each convolution's input, output and weights, as if nothing stayed in a cache.
    """
    numbers = [0]

    def count(module: nn.Conv2d, x: Tensor, y: Tensor) -> None:
        numbers[0] += x.numel() + y.numel() + module.weight.numel()

    with FlopCounterMode(display=False) as counter:
        _each_convolution(config, count)
    return float(counter.get_total_flops()), float(numbers[0])


def _each_convolution(config: NetworkConfig, see: Callable[[nn.Conv2d, Tensor, Tensor], None]) -> None:
    """Each convolution of backbone and head with what it takes in and gives out for one crop; nothing is computed."""
    with torch.device("meta"):
        backbone = make_backbone(config)
        encoder = Encoder(backbone, MarkerHead(backbone.map_channels, config)).eval()
        images = torch.empty(1, 3, config.image_size, config.image_size)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: see(module, inputs[0], output))
    encoder(images)

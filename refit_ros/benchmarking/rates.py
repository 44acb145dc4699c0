"""What this machine can do at best, measured in the same run: products of matrices, and copies."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from refit_ros.benchmarking.timing import measured_s
from refit_ros.core.backbone import make_backbone
from refit_ros.core.config import NetworkConfig
from refit_ros.core.feedback import MarkerHead
from refit_ros.core.fused_convolutions import Encoder


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of the largest product that is quick to measure.

    On a CPU by both of torch's libraries, as a product and as a convolution of 1 x 1: MKL's products are slower than
    oneDNN's convolutions on processors that are not Intel's.
    """
    size = 8192 if device.type == "cuda" else 1536
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    calls = [lambda: left @ right]
    if device.type == "cpu":
        image = left.reshape(1, size, size // 32, 32).to(memory_format=torch.channels_last)
        kernel = right[..., None, None].to(memory_format=torch.channels_last)
        calls.append(lambda: torch.nn.functional.conv2d(image, kernel))
    number = 3 if device.type == "cpu" else 10
    return 2 * size ** 3 / min(measured_s(call, device, number) for call in calls for _ in range(5))


def copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.zeros((1 << 28) if device.type == "cuda" else (1 << 25), device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(measured_s(lambda: target.copy_(source), device, number=3) for _ in range(5))


def encoder_cost(config: NetworkConfig) -> tuple[float, float]:
    """(floating-point operations, numbers read and written) of backbone and head for one crop.

    2 operations a multiply-add. Numbers: each convolution's input, output and weights, as if nothing stayed in a cache.
    """
    with torch.device("meta"):
        backbone = make_backbone(config)
        encoder = Encoder(backbone, MarkerHead(backbone.map_channels, config)).eval()
        images = torch.empty(1, 3, config.image_size, config.image_size)
    numbers = [0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        numbers[0] += inputs[0].numel() + output.numel() + module.weight.numel()

    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        encoder(images)
    return float(counter.get_total_flops()), float(numbers[0])



"""Which device to compute on."""

from __future__ import annotations


def device_named(name: str | None) -> str:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N"; None is "auto": a GPU where there is one.

    Raises ValueError where there is no such device.
    """
    import torch

    if name in (None, "auto"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"there is no device '{name}': use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device '{name}' was asked for, and torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices: use --device auto or cpu"
        )
    return str(name)

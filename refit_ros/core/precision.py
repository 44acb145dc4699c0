"""Geometry is always computed in float32, whatever precision the convolutions run in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


def in_float32(function: Function) -> Function:
    """Run `function` outside autocast, its half-precision tensor arguments (positional) widened to float32."""

    @functools.wraps(function)
    def widened(*args: Any, **kwargs: Any) -> Any:
        device_type = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
        wide = [a.float() if isinstance(a, Tensor) and a.dtype in (torch.float16, torch.bfloat16) else a for a in args]
        with torch.autocast(device_type, enabled=False):
            return function(*wide, **kwargs)

    return cast(Function, widened)

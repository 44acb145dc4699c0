"""The published checkpoints' layout: names, and what the shapes of a file say about its network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from refit_ros.core.config import NetworkConfig
from refit_ros.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from refit_ros.core.plain_checkpoint import StoredTensor

_PUBLISHED_PREFIX = {
    "head.": "corr_layer.",
    "feedback.windows.": "flow_layer.",
    "feedback.join.": "local_layer.",
    "update.": "update_block.",
    "decoder.": "regressor.",
}
"""This network's names -> the published ones; all others are the same."""

_Entry = TypeVar("_Entry")
_BODY_PREFIXES = ("smpl.", "smpl_male.", "smpl_female.")


def published_name(name: str) -> str:
    for own, published in _PUBLISHED_PREFIX.items():
        if name.startswith(own):
            return published + name[len(own) :]
    return name


def own_name(name: str) -> str:
    for own, published in _PUBLISHED_PREFIX.items():
        if name.startswith(published):
            return own + name[len(published) :]
    return name


def without_wrapping(state: Mapping[str, _Entry]) -> tuple[dict[str, _Entry], list[str]]:
    """The network's entries alone, "module." (DataParallel) taken off, and the names of the body's that were left out."""
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    dropped = sorted(name for name in plain if name.startswith(_BODY_PREFIXES))
    return {name: value for name, value in plain.items() if name not in set(dropped)}, dropped


def config_from_shapes(state: Mapping[str, Tensor | StoredTensor]) -> NetworkConfig:
    """The network that a published checkpoint (published names) is for. Raises InputError where it is none."""
    try:
        windows, join = state["flow_layer.weight"].shape, state["local_layer.weight"].shape
        width = state["backbone.transition1.0.0.weight"].shape[0]
        head = sorted(
            int(name.split(".")[1])
            for name, value in state.items()
            if re.fullmatch(r"corr_layer\.[0-9]{1,3}\..*", name) and value.dim() == 4
        )
        decoder_layers = sum(name.startswith("regressor.p.") and name.endswith(".weight") for name in state)
        radius = (math.isqrt(windows[2]) - 1) // 2
        return NetworkConfig(
            backbone={32: "hrnet_w32", 48: "hrnet_w48"}[width],
            markers=windows[0],
            window_radius=radius,
            window_features=windows[1],
            feedback_features=join[0],
            head_convolutions=len(head) - 1,
            head_channels=state[f"corr_layer.{head[-1]}.weight"].shape[1],
            decoder_layers=decoder_layers,
            hidden=state["regressor.decpose.weight"].shape[2],
        )
    except (KeyError, IndexError) as error:
        raise InputError(f"it is no ReFit checkpoint: {error} is missing or unknown") from error

"""The golden numbers of the published code, and a network filled as theirs was."""

from __future__ import annotations

import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import load_network
from refit_ros.core.config import NetworkConfig
from refit_ros.core.refit import Refit
from refit_ros.core.types import Crops, Views

PARITY_DIR = Path(os.environ.get("REFIT_PARITY_DIR") or Path(__file__).parent / "parity")
MARKERS = {"ssm67": 67, "dense231": 231}


@lru_cache
def settings() -> dict:
    return json.loads((PARITY_DIR / "config.json").read_text())


@lru_cache
def weights():
    """The folder's own `weights.py`."""
    spec = importlib.util.spec_from_file_location("parity_weights", PARITY_DIR / "weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def manifest() -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in json.loads((PARITY_DIR / "manifest.json").read_text()).items()}


def config() -> NetworkConfig:
    values = settings()
    return NetworkConfig(
        backbone=values["backbone"],
        markers=MARKERS[values["markers"]],
        head_convolutions=values["head_convolutions"],
        decoder_layers=values["decoder_layers"],
        window_radius=values["window_radius"],
        iterations=values["single_view_iterations"],
    )


@lru_cache
def state_dict() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in weights().state_dict(settings()["seed"]).items()}


def network(folder: Path, dtype: torch.dtype = torch.float32) -> Refit:
    """Loaded from a file in the published layout, as a user would.

    In float64 every weight and every array of the body is rounded to float32 first, then widened.
    """
    np.savez(folder / "body.npz", **weights().body(settings()["seed"]))
    torch.save({"model": state_dict(), "epoch": 3}, folder / "checkpoint.pth.tar")
    return load_network(folder / "checkpoint.pth.tar", load_body(folder / "body.npz")).to(dtype)


def has_wide(name: str) -> bool:
    """Whether the folder holds the numbers of `name` in float64."""
    return (PARITY_DIR / f"{name}_f64.npz").is_file()


def golden(name: str) -> dict[str, np.ndarray]:
    """What came out, in float64 where the folder holds it so."""
    with np.load(PARITY_DIR / f"{name}{'_f64' if has_wide(name) else ''}.npz") as file:
        return dict(file)


def crops_and_views(name: str, stream: int, dtype: torch.dtype) -> tuple[Crops, Views | None, dict[str, np.ndarray]]:
    """The inputs of `single_view` (stream 1) or `multi_view` (stream 2) in `dtype`, and what came out."""
    values = golden(name)
    tensors = {key: torch.from_numpy(np.asarray(value)).to(dtype) for key, value in values.items()}
    images = torch.from_numpy(weights().images(len(values["center"]), stream, settings()["seed"])).to(dtype)
    # The scale is widened before it is multiplied: rounded to float32 the product costs 5e-4 in the end.
    crops = Crops(images, tensors["center"], tensors["scale"] * 200, tensors["focal"], tensors["img_center"])
    views = None
    if "cam_R" in tensors:
        views = Views(torch.zeros(len(crops), dtype=torch.int64), tensors["cam_R"])
    return crops, views, values

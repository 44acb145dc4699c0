"""The golden numbers of the published code, and a network filled as theirs was."""
from __future__ import annotations

import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from refit_ros.core.body import Body, load_body
from refit_ros.core.checkpoint import load_network
from refit_ros.core.config import NetworkConfig
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
    return NetworkConfig(backbone=values["backbone"], markers=MARKERS[values["markers"]],
                         head_convolutions=values["head_convolutions"], decoder_layers=values["decoder_layers"],
                         window_radius=values["window_radius"], iterations=values["single_view_iterations"])


@lru_cache
def state_dict() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in weights().state_dict(settings()["seed"]).items()}


@lru_cache
def body(folder: Path) -> Body:
    np.savez(folder / "body.npz", **weights().body(settings()["seed"]))
    return load_body(folder / "body.npz")


@lru_cache
def network(folder: Path):
    """Loaded from a file in the published layout, as a user would."""
    torch.save({"model": state_dict(), "epoch": 3}, folder / "checkpoint.pth.tar")
    return load_network(folder / "checkpoint.pth.tar", body(folder))


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(PARITY_DIR / f"{name}.npz") as file:
        return dict(file)


def crops_and_views(name: str, stream: int) -> tuple[Crops, Views | None, dict[str, np.ndarray]]:
    """The inputs of `single_view` (stream 1) or `multi_view` (stream 2), and what came out."""
    values = golden(name)
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in values.items()}
    images = torch.from_numpy(weights().images(len(values["center"]), stream, settings()["seed"]))
    crops = Crops(images, tensors["center"], tensors["scale"] * 200, tensors["focal"], tensors["img_center"])
    views = None
    if "cam_R" in tensors:
        views = Views(torch.zeros(len(crops), dtype=torch.int64), tensors["cam_R"])
    return crops, views, values

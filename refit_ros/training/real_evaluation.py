"""Errors on a data set in the published layout, as 3DPW's and Human3.6M's protocols report them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from refit_ros.core.body import Body
from refit_ros.core.plain_files import open_regular
from refit_ros.core.refit import Refit
from refit_ros.training.measure import errors, estimates
from refit_ros.training.real_data import RealSource, read_set

CHUNK = 64


def evaluate_real(network: Refit, body: Body, args: argparse.Namespace, device: torch.device) -> dict:
    """MPJPE, PA-MPJPE and PVE after each iteration over every row of --data. Raises ValueError for unusable files."""
    data = read_set(Path(args.data), need=("pose", "shape"))
    regressor = read_regressor(args.joint_regressor, body) if args.joint_regressor else None
    source = RealSource(Path(args.data), args.images, body, CHUNK, network.config.image_size, 0, "cpu", augment=False)
    totals: dict[int, dict[str, float]] = {}
    for start in range(0, len(data), CHUNK):
        rows = list(range(start, min(start + CHUNK, len(data))))
        batch = source.rows(rows)
        for step, estimate in enumerate(estimates(network, batch, device, args.iterations)):
            measured = errors(estimate, batch, body, regressor=regressor)
            measured.pop("depth_error")  # no translation is given in this layout
            total = totals.setdefault(step, dict.fromkeys(measured, 0.0))
            for name, value in measured.items():
                total[name] += value * len(rows) / len(data)
    return {
        "data": data.path.name,
        "rows": len(data),
        "joints": 24 if regressor is None else 14,
        "iterations": {str(step): total for step, total in totals.items()},
    }


def read_regressor(path: str, body: Body) -> torch.Tensor:
    """(17 or 14, V) joints from vertices, of a .npy file (`metrics.fourteen_joints`).

    Raises ValueError where the file does not fit the body.
    """
    try:
        with open_regular(path) as file:
            matrix = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as a joint regressor: {error}") from error
    fits = matrix.ndim == 2 and matrix.shape[0] in (14, 17) and matrix.shape[1] == body.vertex_count
    if not fits or not np.isfinite(matrix).all():
        raise ValueError(
            f"{path} has shape {matrix.shape}, expected 14 or 17 joints x {body.vertex_count} vertices of "
            "this body, all finite"
        )
    return torch.from_numpy(matrix.astype(np.float32))

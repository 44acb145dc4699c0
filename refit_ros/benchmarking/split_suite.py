"""`--suite split`: what it costs in time to run the node in parts on one host: one process, then edge and fusion, in turns.

The same film is shown to both, as programs of their own; the rate is so low that nothing queues up. Which part of a
difference is the machine's is told by the turns: each way runs twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from refit_ros.benchmarking.scenes import ONE_WALKING

RATE_HZ = 5.0
WAYS = {"one process": {"node": "node"}, "edge and fusion": {"edge": "edge", "node": "fusion"}}
TURNS = 2


def run_split_suite(device: torch.device, seconds: float, say: Callable[[str], None]) -> dict:
    """Figure -> value."""
    from refit_ros.node.harness import Setup, own_domain_id, run_system

    took: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    results: dict[str, object] = {}
    for turn in range(TURNS):
        for way, programs in WAYS.items():
            say(f"{way}, turn {turn + 1}")
            with tempfile.TemporaryDirectory() as folder:
                measured = run_system(
                    Setup(
                        seconds=seconds,
                        log_folder=Path(folder),
                        domain_id=own_domain_id(),
                        camera_options={**ONE_WALKING, "rate": RATE_HZ},
                        node_parameters={"device": str(device)},
                        programs=programs,
                        settle_s=3.0,
                    ),
                    progress=say,
                )
            took[way].append(measured.arrival_ms)
            title = f"{way}, turn {turn + 1}: capture to arrival, ms"
            results[f"{title}: median"] = float(np.median(measured.arrival_ms))
            results[f"{title}: 95 %"] = float(np.percentile(measured.arrival_ms, 95))
            results[f"{way}, turn {turn + 1}: sets answered"] = f"{measured.frames_out} of {measured.frames_in}"
    alone, split = (np.median(np.concatenate(took[way])) for way in WAYS)
    return {**results, "added by the split, ms: difference of the medians of all turns": float(split - alone)}

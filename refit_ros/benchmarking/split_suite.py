"""`--suite split`: what it costs in time to run the node in parts on one host: one process, then edge and fusion, in turns.

The same film is shown to both, as programs of their own; the rate is so low that nothing queues up. Which part of a
difference is the machine's is told by the turns: each way runs twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from refit_ros.benchmarking.running import run_one_walking

RATE_HZ = 5.0
WAYS = {"one process": {"node": "node"}, "edge and fusion": {"edge": "edge", "node": "fusion"}}
TURNS = 2


def run_split_suite(device: torch.device, seconds: float, say: Callable[[str], None]) -> dict:
    """Figure -> value."""
    took: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    results: dict[str, object] = {}
    for turn in range(TURNS):
        for way, programs in WAYS.items():
            say(f"{way}, turn {turn + 1}")
            measured = run_one_walking(device, seconds, say, RATE_HZ, programs=programs, settle_s=3.0)
            took[way].append(measured.arrival_ms)
            title = f"{way}, turn {turn + 1}: capture to arrival, ms"
            results[f"{title}: median"] = float(np.median(measured.arrival_ms))
            results[f"{title}: 95 %"] = float(np.percentile(measured.arrival_ms, 95))
            results[f"{way}, turn {turn + 1}: sets answered"] = f"{measured.frames_out} of {measured.frames_in}"
    alone, split = (np.median(np.concatenate(took[way])) for way in WAYS)
    return {**results, "added by the split, ms: difference of the medians of all turns": float(split - alone)}

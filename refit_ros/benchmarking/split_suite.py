"""`--suite split`: what it costs in time to run the node in parts on one host: one process, then edge and fusion, in turns.

The same film is shown to both, as programs of their own; the rate is so low that nothing queues up. Which part of a
difference is the machine's is told by the turns. Keypoints where the models are there that find them, and features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from refit_ros.benchmarking.running import run_one_walking
from refit_ros.detection.photographs import without_photographs_note

RATE_HZ = 10.0
WAYS = {"one process": {"node": "node"}, "edge and fusion": {"edge": "edge", "node": "fusion"}}
TURNS = 4


def run_split_suite(device: torch.device, seconds: float, say: Callable[[str], None]) -> dict:
    """Figure -> value."""
    results: dict[str, object] = {}
    missing = without_photographs_note()
    if missing:
        results["keypoints"] = f"not measured: {missing}"
    for evidence in ("features",) if missing else ("keypoints", "features"):
        took: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
        for turn in range(TURNS):
            for way, programs in WAYS.items():
                title = f"{evidence}, {way}, turn {turn + 1}"
                say(title)
                measured = run_one_walking(device, seconds, say, RATE_HZ, evidence, programs=programs, settle_s=3.0)
                took[way].append(measured.arrival_ms)
                median, high = np.percentile(measured.arrival_ms, (50, 95))
                answered = f"{measured.frames_out} of {measured.frames_in} sets"
                results[title] = f"{median:.1f} ms from capture to arrival ({high:.1f} at 95 %), {answered}"
        alone, split = (np.median(np.concatenate(took[way])) for way in WAYS)
        results[f"{evidence}: added by the split, ms: difference of the medians of all turns"] = float(split - alone)
    return results

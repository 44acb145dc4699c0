"""`--suite profile`: where the running node's processor time goes, in its steady state.

The node runs as in the suite `node`: a program of its own before a synthetic camera, one person, over real topics.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from refit_ros.benchmarking.running import run_one_walking
from refit_ros.benchmarking.sampled import Sampled, py_spy, sampling, shares

MOST_ROWS = 15


def run_profile_suite(device: torch.device, seconds: float, say: Callable[[str], None]) -> dict:
    """Tables of shares. Raises ValueError with a sentence where py-spy is missing or may not look."""
    py_spy()
    sampled = Sampled()
    with tempfile.TemporaryDirectory() as folder:
        measured = run_one_walking(
            device,
            seconds,
            say,
            settle_s=5.0,
            beside_node=lambda process_id: sampling(process_id, seconds, Path(folder), sampled),
        )
    alone, below = shares(sampled.stacks)
    return {
        "frames": measured.frames_out,
        "frames_per_s": measured.fps,
        "samples": sum(count for _, _, _, count in sampled.stacks),
        "threads": thread_rows(sampled, measured.frames_out),
        "alone": [list(row) for row in alone[:MOST_ROWS]],
        "below": [list(row) for row in below[: MOST_ROWS + 10]],
    }


def thread_rows(sampled: Sampled, frames: int) -> list[list]:
    """[thread, ms of processor time a frame, share], those of one name together; the busiest first."""
    python_names = {number: name for number, name, _, _ in sampled.stacks}
    spent_s: dict[str, float] = defaultdict(float)
    for number, seconds in sampled.thread_s.items():
        spent_s[python_names.get(number, f"not Python's ({sampled.thread_names[number]})")] += seconds
    whole_s = max(sum(spent_s.values()), 1e-9)
    ordered = sorted(spent_s.items(), key=lambda entry: -entry[1])
    return [[name, 1e3 * seconds / max(frames, 1), seconds / whole_s] for name, seconds in ordered if seconds > 0]

"""The running node before one camera and one person who walks: what several suites measure, each in its own way."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from refit_ros.benchmarking.scenes import ONE_WALKING

if TYPE_CHECKING:
    from refit_ros.node.harness import Measured


def run_one_walking(
    device: torch.device,
    seconds: float,
    say: Callable[[str], None],
    rate_hz: float = ONE_WALKING["rate"],
    evidence: str = "features",
    **setup: Any,
) -> Measured:
    """`setup`: what else `harness.Setup` takes. Raises what `run_system` raises."""
    from refit_ros.node.harness import Setup, own_domain_id, run_system

    with tempfile.TemporaryDirectory() as folder:
        return run_system(
            Setup(
                seconds=seconds,
                log_folder=Path(folder),
                domain_id=own_domain_id(),
                camera_options={**ONE_WALKING, "rate": rate_hz},
                node_parameters={"device": str(device), "evidence": evidence},
                **setup,
            ),
            progress=say,
        )

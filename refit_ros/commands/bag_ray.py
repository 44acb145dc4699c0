"""Many bags on a Ray cluster: its scheduler gives each to a free processor, and again where that was lost."""

from __future__ import annotations

import os
from collections.abc import Iterator

from refit_ros import interrupt
from refit_ros.commands.bag_runs import Outcome, Programs, Run

TRIES_AGAIN = 3  # where a worker or its machine was lost


def outcomes_on_ray(runs: list[Run], address: str, on_gpu: bool = False) -> Iterator[Outcome]:
    """As they end, as many at a time as the cluster has processors (GPUs, with `on_gpu`).

    The bags, the folder of the new ones and this package lie under the same paths on each of its machines. Raises
    ValueError where there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"there is no Ray cluster at '{address}' ({str(error).splitlines()[0][:200]}): start one with "
            "`ray start --head`, or say --ray local"
        ) from error
    interrupt.listen()  # Ray has put its own word for SIGTERM in place
    try:
        task = ray.remote(num_cpus=1, num_gpus=1 if on_gpu else 0, max_retries=TRIES_AGAIN)(run_one)
        waiting = {task.remote(run): run for run in runs}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            run = waiting.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                why = str(error).strip().splitlines()[0][:200]
                yield Outcome(run.name, 1, f"its worker was lost {1 + TRIES_AGAIN} times ({why})")
    finally:
        ray.shutdown()


_programs: list[Programs] = []  # of this process: one of Ray's workers does many bags, and its program stays for the next


def run_one(run: Run) -> Outcome:
    """On a worker."""
    if not _programs:
        _programs.append(Programs())
    return _programs[0].outcome(run, threads=1)

"""`--suite load`: the network beside busy programs, by engine and number of threads.

A robot's processor is never idle. Threads that wait for each other lose most where other programs take their cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from refit_ros.benchmarking.scenes import random_crops
from refit_ros.core.checkpoint import load_network
from refit_ros.core.inference import prepare

COMPETITORS = (0, 1, 2, 4)
CROPS = 2  # one person in two cameras


def run_load_suite(device: torch.device, engines: list[str], seconds: float, say: Callable[[str], None]) -> dict:
    """ms of one call with `CROPS` crops; each way gets `seconds` in all, the ways of one load take turns."""
    cores = len(os.sched_getaffinity(0))
    network = load_network(None, device=device)
    crops = random_crops(CROPS, network.config.image_size, device)
    ways = {}
    for engine in engines:
        for of_engine, of_rest in dict.fromkeys([(1, 1), (cores, 1), (cores, cores)]):
            if engine == "torch" and of_engine != of_rest:
                continue  # its convolutions and the rest share their threads
            torch.set_num_threads(of_engine)
            ways[f"{engine}, {of_engine} for convolutions, {of_rest} for the rest"] = (
                prepare(network, "float32", engine),
                of_rest,
            )
    rows = []
    for count in COMPETITORS:
        say(f"beside {count} busy programs")
        times = _take_turns(ways, crops, count, seconds)
        rows += [
            {
                "busy programs": count,
                "way": way,
                "calls": len(found),
                "p50, ms": float(np.percentile(found, 50)),
                "p95, ms": float(np.percentile(found, 95)),
            }
            for way, found in times.items()
        ]
    return {"cores": cores, "crops": CROPS, "rows": rows, "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}


def _take_turns(ways: dict, crops, count: int, seconds: float) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {way: [] for way in ways}
    with busy_programs(count):
        end_s = time.monotonic() + seconds * len(ways)
        for prepared, threads in ways.values():
            torch.set_num_threads(threads)
            prepared(crops)
        while time.monotonic() < end_s or not all(times.values()):
            for way, (prepared, threads) in ways.items():
                torch.set_num_threads(threads)
                begin_s = time.monotonic()
                prepared(crops)
                times[way].append(1e3 * (time.monotonic() - begin_s))
    return times


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """So many programs that take all the processor they get."""
    programs = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()

"""The soak's verdict finds a leak made on purpose and passes what is flat; a very short run does all of a long one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from refit_ros.benchmarking.soak_samples import BOUNDS, Sample, column, program_size, verdicts
from refit_ros.benchmarking.soak_verdict import FEWEST, judged

CALM = Sample(0.0, 700.0, 20, 60, 80.0, 12.0, 0.5)
NOISE = {"rss_mib": 6.0, "threads": 0.0, "files": 0.0, "latency_ms": 15.0, "sets_per_s": 2.0, "log_lines_per_min": 0.3}


def run_of(minutes: float = 60.0, seed: int = 0, growth_per_hour: dict | None = None) -> list[Sample]:
    """A sample every five seconds: noise, a lifecycle every four minutes that empties the memory, and what grows."""
    rng, samples = np.random.default_rng(seed), []
    for at in np.arange(0, minutes, 5 / 60):
        now = {name: getattr(CALM, name) + spread * rng.standard_normal() for name, spread in NOISE.items()}
        if at % 4 < 0.2:
            now |= {"rss_mib": 400.0, "latency_ms": float("nan"), "sets_per_s": 0.0, "log_lines_per_min": 60.0}
        for name, an_hour in (growth_per_hour or {}).items():
            now[name] += an_hour * at / 60
        samples.append(replace(CALM, minutes=float(at), **now))
    return samples


@pytest.mark.parametrize("seed", range(5))
def test_noise_with_restarts_is_flat(seed):
    found = verdicts(run_of(seed=seed))
    assert {name: verdict.flat for name, verdict in found.items()} == dict.fromkeys(BOUNDS, True)


@pytest.mark.parametrize(
    "name, an_hour",
    [
        ("rss_mib", 24.0),
        ("threads", 3.0),
        ("files", 5.0),
        ("latency_ms", 120.0),
        ("sets_per_s", -11.0),
        ("log_lines_per_min", 50.0),
    ],
)
def test_what_grows_is_found_and_only_that(name, an_hour):
    found = verdicts(run_of(growth_per_hour={name: an_hour}))
    assert [each for each, verdict in found.items() if verdict.flat is False] == [name]
    assert found[name].per_hour == pytest.approx(an_hour, rel=0.2)
    assert "NOT FLAT" in found[name].sentence()


def test_a_figure_that_gets_better_is_flat():
    found = verdicts(run_of(growth_per_hour={"rss_mib": -60.0, "latency_ms": -60.0, "sets_per_s": 30.0}))
    assert all(verdict.flat for verdict in found.values())


def test_what_grows_only_in_the_first_half_is_flat():
    samples = run_of()
    filling = [replace(each, rss_mib=each.rss_mib - max(0.0, 30 - each.minutes) * 10) for each in samples]
    assert verdicts(filling)["rss_mib"].flat


def test_of_too_few_samples_nothing_is_said():
    at = np.arange(2 * FEWEST - 2, dtype=float)
    assert judged(BOUNDS["rss_mib"], at, 100 * at).flat is None
    assert judged(BOUNDS["rss_mib"], [], []).flat is None
    assert judged(BOUNDS["rss_mib"], [*at, 90.0, 91.0], [*100 * at, 1.0, 1.0]).flat is None


PROGRAM = """
import sys
kept = []
for line in sys.stdin:
    if line == "leak\\n":
        kept.append(bytearray(b"x" * 2**20))
    print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("leaks", [True, False])
def test_a_program_that_leaks_on_purpose_is_found_by_looking_from_outside(leaks):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        samples = []
        for minute in range(60):
            child.stdin.write("leak\n" if leaks else "nothing\n")
            child.stdin.flush()
            assert child.stdout.readline() == "done\n"
            rss_mib, threads, files = program_size(child.pid)
            samples.append(replace(CALM, minutes=float(minute), rss_mib=rss_mib, threads=threads, files=files))
        child.stdin.close()
    found = verdicts(samples, of=("rss_mib", "threads", "files"))
    assert found["rss_mib"].flat is not leaks and found["threads"].flat and found["files"].flat
    assert found["rss_mib"].growth == pytest.approx(29 if leaks else 0, abs=3)


def test_a_very_short_run_does_all_that_a_long_one_does(tmp_path):
    pytest.importorskip("rclpy", reason="ROS 2 is not there")
    pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    import torch

    from refit_ros.benchmarking.soak_suite import run_soak_suite
    from refit_ros.benchmarking.tables import _soak

    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    said = []
    result = run_soak_suite(torch.device("cpu"), 0.1, said.append, tmp_path / "soak.png")
    happened = [what for _, what in result["events"]]
    assert happened[:7] == ["two people", "nobody", "three people", "a camera lost", "found", "parameters", "restart"]
    assert min(result["messages"], result["lifecycles"], result["parameters changed"]) > 0
    assert len(result["samples"][0]) == len(fields(Sample))
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert result["verdict"] and "\n".join(_soak(result)).count("\n|") == 2 + len(BOUNDS) - 1 + 1
    assert np.isfinite(column([Sample(*row) for row in result["samples"]], "rss_mib")).all()

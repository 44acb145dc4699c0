"""Bags on a Ray cluster of two nodes on this machine; a worker that is killed costs nothing but its bag's time."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")

from refit_ros.commands.bag_ray import outcomes_on_ray  # noqa: E402
from refit_ros.commands.bag_runs import Run  # noqa: E402

SERVES_CODE = "from refit_ros.commands.bag_worker import serve; serve(lambda words: exec(words[0], {}) or 0)"
# Leaves the worker that it runs under, waits the first time, and ends the second time.
TWICE = """
import os, pathlib, time
mark = pathlib.Path({0!r})
if not mark.exists():
    part = mark.with_suffix(".part")
    part.write_text(str(os.getppid()))
    part.rename(mark)
    time.sleep(600)
print("done the second time")
"""


def program(name: str, code: str, output: Path) -> Run:
    return Run(name, (code,), output, ("-c", SERVES_CODE))


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    try:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
    except Exception as error:  # Ray gives its own programs half a minute, which is not ours to lengthen
        pytest.skip(f"Ray did not start on this machine: {str(error)[:200]}")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_two_nodes_share_the_bags_and_a_killed_worker_is_made_up_for(cluster, tmp_path):
    mark = tmp_path / "begun"
    runs = [program(f"bag {index}", f"print('done {index}')", tmp_path) for index in range(6)]
    runs.append(program("killed", TWICE.format(str(mark)), tmp_path))
    runs.append(program("failed", "raise ValueError('no camera')", tmp_path))
    killer = threading.Thread(target=kill_whom_it_names, args=(mark,), daemon=True)
    killer.start()
    said = {outcome.name: (outcome.is_well, outcome.said) for outcome in outcomes_on_ray(runs, cluster.address)}
    killer.join(60)
    assert said.pop("killed") == (True, "done the second time")
    assert said.pop("failed") == (False, "ValueError: no camera")
    assert said == {f"bag {index}": (True, f"done {index}") for index in range(6)}


def kill_whom_it_names(mark: Path) -> None:
    end_s = time.monotonic() + 300
    while not mark.exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    os.kill(int(mark.read_text()), signal.SIGKILL)


def test_where_there_is_no_cluster_it_is_said():
    with pytest.raises(ValueError, match="there is no Ray cluster at 'auto'.*ray start --head"):
        list(outcomes_on_ray([], "auto"))

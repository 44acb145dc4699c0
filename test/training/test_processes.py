import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def command(body_path, output, steps):
    return [
        str(HERE / "train_on_dots.py"),
        "--preset",
        "small",
        "--image-size",
        "64",
        "--batch",
        "4",
        "--steps",
        str(steps),
        "--body",
        str(body_path),
        "--held-out",
        "2",
        "--device",
        "cpu",
        "--output",
        str(output),
    ]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent.parent)}


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path, body_path):
    pytest.importorskip("torch.distributed.run")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [*launch, *command(body_path, tmp_path / "two", 3)], env=environment(), timeout=110, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    two = torch.load(tmp_path / "two" / "state.pt", weights_only=True)
    assert two["step"] == 3
    # Each process gives its own crops: with the other's gradients left out, the weights would be another training's.
    ended = subprocess.run([sys.executable, *command(body_path, tmp_path / "one", 3)], env=environment(), timeout=60)
    assert ended.returncode == 0
    one = torch.load(tmp_path / "one" / "state.pt", weights_only=True)
    name = "network.init_layer.weight"
    assert not torch.equal(one["learners"]["refit"]["lesson"][name], two["learners"]["refit"]["lesson"][name])


def test_the_same_command_goes_on_after_a_kill(tmp_path, body_path):
    output = tmp_path / "killed"
    program = [sys.executable, *command(body_path, output, 100_000), "--save-every", "0.01"]
    running = subprocess.Popen(program, env=environment(), stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if (output / "state.pt").exists():
                break
            running.poll()
            assert running.returncode is None
            _wait(0.1)
    finally:
        running.kill()
        running.wait(timeout=30)
    reached = torch.load(output / "state.pt", weights_only=True)["step"]
    assert reached >= 1
    ended = subprocess.run(
        [sys.executable, *command(body_path, output, reached + 1)],
        env=environment(),
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0 and f"going on at step {reached}" in ended.stderr
    assert torch.load(output / "state.pt", weights_only=True)["step"] == reached + 1


def _wait(seconds):
    import time

    time.sleep(seconds)

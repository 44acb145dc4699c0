"""The benchmark measures what it says, and its tables hold what was measured. No time is asserted."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from refit_ros.__main__ import main
from refit_ros.benchmarking import model_suite, rates
from refit_ros.benchmarking.outside import head_alone, outside
from refit_ros.benchmarking.rates import encoder_cost
from refit_ros.benchmarking.reference import ReferenceRefit
from refit_ros.benchmarking.scale_suite import _fit
from refit_ros.benchmarking.scenes import full_size_body, random_crops
from refit_ros.benchmarking.tables import update_document
from refit_ros.benchmarking.timing import alternately
from refit_ros.commands import benchmark
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.inference import prepare

CPU = torch.device("cpu")


@torch.inference_mode()
def test_the_reference_computes_the_same():
    network = untrained_network(SMALL, full_size_body())
    crops = random_crops(2, 128, CPU)
    expected, found = network(crops), ReferenceRefit.of(network)(crops)
    for a, b in zip(found.history, expected.history):
        torch.testing.assert_close(a.rotmats, b.rotmats, rtol=0, atol=1e-4)
        torch.testing.assert_close(a.transl, b.transl, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_reference_poses_the_whole_mesh_after_every_update_and_once_at_the_end(monkeypatch):
    network = untrained_network(SMALL, full_size_body())
    assert network.body.vertex_count == 6890
    reference, posed = ReferenceRefit.of(network), []
    mesh = ReferenceRefit._mesh
    monkeypatch.setattr(ReferenceRefit, "_mesh", lambda self, estimate: posed.append(1) or mesh(self, estimate))
    reference(random_crops(1, 128, CPU), iterations=5)
    assert len(posed) == 1 + 5 + 1, "the first guess, each update, and the end"


def test_the_flops_of_the_published_network():
    flops, numbers = encoder_cost(NetworkConfig())
    assert flops / 1e9 == pytest.approx(79.5, abs=0.1)
    assert numbers > 75e6


def test_the_rate_of_products_is_that_of_the_quicker_library(monkeypatch):
    """A made-up clock: the first way takes 2 s, the second 1 s, whatever is computed."""
    computed = []

    def measured(call, device, number):
        computed.append(call().shape)
        return 2.0 if sum(shape == computed[-1] for shape in computed) <= 5 else 1.0

    monkeypatch.setattr(rates, "measured_s", measured)
    rate = rates.matrix_rate(CPU, torch.float32)
    assert rate == 2 * 1536**3 / (1.0 if torch.backends.mkldnn.is_available() else 2.0)


@torch.inference_mode()
@pytest.mark.parametrize("engine", ["torch", "openvino", "onnxruntime"])
def test_what_lies_outside_the_backbone_says_the_same_as_the_whole(engine):
    if engine != "torch":
        pytest.importorskip(engine, reason=f"{engine} is not installed")
    network = untrained_network(SMALL, load_body())
    crops = random_crops(1, 128, CPU)
    entry = prepare(network, "float32", engine)
    alone = outside(head_alone(network, entry, True, True), network.backbone(crops.images), crops)
    torch.testing.assert_close(alone().estimate.rotmats, network(crops).estimate.rotmats, rtol=0, atol=1e-4)


def test_tables_taken_with_other_threads_stand_beside(monkeypatch):
    names = set()
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        for backbones in ("small,hrnet_w48", "hrnet_w48,small"):
            names.add(benchmark._kind(argparse.Namespace(suite="model", backbones=backbones), CPU))
    assert names == {"model of hrnet_w48,small on cpu with 1 thread", "model of hrnet_w48,small on cpu with 2 threads"}


def test_everything_gets_its_turn_in_every_round():
    turns = []
    times = alternately({name: lambda name=name: turns.append(name) for name in "abc"}, CPU, rounds=4)
    order = [name for i, name in enumerate(turns) if i == 0 or turns[i - 1] != name]  # a turn may be several calls
    assert "".join(order[-12:]) == "abcabcabcabc"
    assert all(time["rounds"] == 4 and time["lowest_ms"] <= time["median_ms"] for time in times.values())


def test_a_line_is_fitted():
    import numpy as np

    counts = np.array([1.0, 2, 4, 8])
    assert _fit("people", counts, 3 + 2 * counts, "ms") == "people: 3 ms + 2 ms each; at 8, +0 % from that line"
    assert "+" in _fit("people", counts, counts**2, "MB")


def test_a_document_keeps_the_last_tables_of_each_kind(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Title\n\nWords.\n")
    update_document(path, "a", "first\n")
    update_document(path, "b", "second\n")
    update_document(path, "a", "third\n")
    text = path.read_text()
    assert text.startswith("# Title\n\nWords.\n") and "first" not in text
    assert text.index("third") < text.index("second") and text.count("begin: a") == 1


def test_the_command_writes_figures_and_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(model_suite, "matrix_rate", lambda device, dtype: 1e12)
    monkeypatch.setattr(model_suite, "copy_rate", lambda device: 1e10)
    monkeypatch.setattr(model_suite, "_people", lambda network, device: (random_crops(2, 128, CPU), "noise"))
    output, table = tmp_path / "x.json", tmp_path / "README.md"
    code = main(
        [
            "benchmark",
            "--suite",
            "model",
            "--device",
            "cpu",
            "--backbones",
            "small",
            "--batches",
            "1,2",
            "--rounds",
            "1",
            "--seconds",
            "0.1",
            "--output",
            str(output),
            "--table",
            str(table),
        ]
    )
    assert code == 0
    result = json.loads(output.read_text())
    assert {"machine", "versions", "date", "command", "results"} <= set(result)
    network = result["results"]["networks"]["small"]
    assert network["one_crop"]["reference"]["of_reference"] == 1 and network["limit_ms"]["float32"] > 0
    assert network["one_crop"]["reference, outside the backbone"]["of_same_part"] == 1
    assert network["one_crop"]["torch bfloat16, outside the backbone"]["of_same_part"] > 0
    assert set(network["batches"]["torch float32"]) == {"1", "2"} and network["difference"]["torch float32"] < 0.1
    assert "of reference" in table.read_text() and "of reference" in capsys.readouterr().out


def test_processor_time_does_not_count_waiting():
    import time

    from refit_ros.benchmarking.timing import measured_s, use_clock

    try:
        use_clock("processor")
        waited = measured_s(lambda: time.sleep(0.05), CPU)
    finally:
        use_clock("wall")
    assert waited < 0.04 < measured_s(lambda: time.sleep(0.05), CPU)


def test_the_network_beside_busy_programs(monkeypatch):
    """Each way of each load was called; the busy programs are gone afterwards."""
    from refit_ros.benchmarking import load_suite

    started = []
    popen = load_suite.subprocess.Popen
    monkeypatch.setattr(load_suite.subprocess, "Popen", lambda *args: started.append(popen(*args)) or started[-1])
    monkeypatch.setattr(load_suite, "COMPETITORS", (0, 1))
    threads = torch.get_num_threads()
    try:
        results = load_suite.run_load_suite(CPU, ["torch"], 0.0, lambda text: None)
    finally:
        torch.set_num_threads(threads)
    assert {row["busy programs"] for row in results["rows"]} == {0, 1} and all(row["calls"] for row in results["rows"])
    assert len(started) == 1 and started[0].returncode is not None

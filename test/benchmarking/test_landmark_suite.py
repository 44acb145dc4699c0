"""`benchmark --suite landmarks`: both engines are measured in one run, and what differs between them."""

import json

import pytest
import torch

from refit_ros.__main__ import main
from refit_ros.benchmarking import landmark_suite
from refit_ros.detection.movenet import LIGHTNING
from refit_ros.models.files import VARIABLE


@pytest.mark.needs_models(LIGHTNING)
def test_the_command_measures_both_engines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(landmark_suite, "SIDES_PX", {LIGHTNING: 192})
    monkeypatch.setattr(landmark_suite, "COUNTS", (1, 2))
    output = tmp_path / "x.json"
    words = ["--device", "cpu", "--rounds", "1", "--seconds", "0.1", "--output", str(output)]
    assert main(["benchmark", "--suite", "landmarks", *words]) == 0
    network = json.loads(output.read_text())["results"]["networks"][LIGHTNING]
    ways = ["OpenVINO on cpu", "torch on cpu, rows of channels", "torch on cpu, channels of rows"]
    assert [list(times) for times in network["times"].values()] == [ways, ways] and set(network["times"]) == {"1", "2"}
    assert list(network["difference"]) == ways[1:] and 0 < max(network["difference"].values()) < 5e-5
    said = capsys.readouterr().out
    assert all(f"| {LIGHTNING} | {way} |" in said for way in ways) and "On a GPU: not measured" in said


def test_without_the_networks_it_is_told_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="python -m refit_ros models get pose_landmark_full"):
        landmark_suite.run_landmark_suite(torch.device("cpu"), 1, 0.1, print)

"""What to do about something that is not installed is a thing that can be done; options that are read are used."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from refit_ros.commands import bag, missing

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", ["onnxruntime", "rosbags", "tensorboard", "c3d"])
def test_extras_that_are_named_bring_the_module(module):
    extra = re.search(r"pip install '\.\[(\w+)\]'", missing.how_to_get(module))[1]
    assert f'"{extra}"' in (ROOT / "setup.py").read_text()
    requirements = (ROOT / "requirements" / f"{extra}.txt").read_text().splitlines()
    assert module in [re.split(r"[<>=#\s]", line)[0] for line in requirements]


def test_bag_hears_every_option_of_the_network(monkeypatch):
    """--engine was once read and forgotten."""
    pytest.importorskip("rosbags")
    from refit_ros.node import bag_cameras

    monkeypatch.setattr(bag_cameras, "cameras_in", lambda *_: (["camera"], "raw"))
    parser = argparse.ArgumentParser()
    bag.add_arguments(parser)
    said = {"weights": "w.pt", "device": "cuda:1", "precision": "bfloat16", "engine": "openvino"}
    words = [word for name, value in said.items() for word in (f"--{name}", value)]
    parameters = bag._parameters(parser.parse_args(["in", "--output", "out", "--body", "b.pkl", *words]), SimpleNamespace())
    assert {name: getattr(parameters, name) for name in said} == said and parameters.body_model == "b.pkl"

"""A tiny body and quick people of dots in place of rendered ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from dot_people import DotSource, write_body

import refit_ros.synthetic.samples
from refit_ros.core.body import load_body
from refit_ros.training.presets import PRESETS


@pytest.fixture(scope="session")
def body_path(tmp_path_factory):
    return write_body(tmp_path_factory.mktemp("body") / "dots.npz")


@pytest.fixture(scope="session")
def body(body_path):
    return load_body(str(body_path))


@pytest.fixture
def dots(monkeypatch):
    monkeypatch.setattr(refit_ros.synthetic.samples, "SampleSource", DotSource)


@pytest.fixture
def preset():
    return dataclasses.replace(PRESETS["small"], image_size=64, batch=8, multi_view_share=0.5)


@pytest.fixture(autouse=True)
def two_threads_at_most():
    torch.set_num_threads(1)

"""OpenVINO gets all threads, what is left to torch one; a second configure finds all of them again."""

from __future__ import annotations

import os

import pytest
import torch

from refit_ros.node import threads


@pytest.fixture(autouse=True)
def as_before():
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


@pytest.mark.parametrize("said, number", [("3", 3), ("", 5), ("0", 5), ("4,2", 5)])
def test_what_is_available(monkeypatch, said, number):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(5)), raising=False)
    assert threads.available_threads() == number


@pytest.mark.parametrize("engine, left", [("openvino", 1), ("onnxruntime", 1), ("torch", 2)])
def test_the_split(monkeypatch, engine, left):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for _ in range(2):
        threads.all_for_the_engine()
        assert torch.get_num_threads() == 2
        threads.one_for_the_rest(engine)
        assert torch.get_num_threads() == left

"""Rows spread over a processor's cores: the same values in whatever way, and the quicker way is taken."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from refit_ros.core import openvino_engine
from refit_ros.core.openvino_compiler import Compiler, Source
from refit_ros.core.openvino_engine import (
    _Quickest,
    _Streams,
    compiled_by_openvino,
    converted,
    measured,
    one_by_one_by_openvino,
)

pytest.importorskip("openvino")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3)).eval()


def source_of(network, **kept):
    return Source(lambda: converted(network, torch.zeros(1, 3, 16, 16)), **kept)


@torch.inference_mode()
@pytest.mark.parametrize("streams, threads", [(1, 1), (1, 2), (2, 2), (4, 4)])
def test_all_rows_come_back_in_their_order(network, streams, threads):
    example = torch.zeros(1, 3, 16, 16)
    model = converted(network, example)
    way = _Streams(Compiler(Source(lambda: model), [-1, 3, 16, 16])(streams, threads), streams)
    for count in (1, 2, 3, 4, 5, 9):
        rows = torch.randn(count, 3, 16, 16)
        np.testing.assert_allclose(way(rows.numpy())[0], network(rows).numpy(), rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("make", [compiled_by_openvino, one_by_one_by_openvino])
def test_one_row_is_computed_on_the_thread_that_asks(network, two_threads, monkeypatch, make):
    """Another one that has to be woken first waits for a core wherever others keep them busy."""
    monkeypatch.setattr(openvino_engine, "measured", lambda ways, _, counts: dict.fromkeys(counts, ways[0]))
    row = np.zeros((1, 3, 256, 256), np.float32)
    compiled = make(Source(lambda: converted(network, torch.zeros(1, 3, 256, 256))), row)
    compiled(row)  # what the first call makes ready may be made elsewhere
    began_s, all_began_s = time.thread_time(), time.process_time()
    for _ in range(30):
        compiled(row)
    assert time.thread_time() - began_s > 0.5 * (time.process_time() - all_began_s)


@torch.inference_mode()
@pytest.mark.parametrize("alone", [True, False])
def test_a_network_that_nothing_computes_beside_is_compiled_once(network, two_threads, monkeypatch, alone):
    """Each time takes a quarter of a second, and who fits a photograph waits for it."""
    made, make = [], Compiler.__call__
    monkeypatch.setattr(Compiler, "__call__", lambda self, *how: made.append(how[:2]) or make(self, *how))
    example = np.zeros((1, 3, 16, 16), np.float32)
    compiled = one_by_one_by_openvino(source_of(network), example, alone)
    assert made == ([(1, 2)] if alone else [(1, 1), (2, 2)])
    rows = torch.randn(3, 3, 16, 16)
    for count in (1, 3):
        np.testing.assert_allclose(compiled(rows[:count].numpy())[0], network(rows[:count]).numpy(), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_what_was_given_first_is_not_changed_by_the_next_call(network, two_threads):
    compiled = compiled_by_openvino(source_of(network), np.zeros((1, 3, 16, 16), np.float32))
    rows = torch.randn(2, 3, 16, 16)
    first = compiled(rows.numpy())[0]
    kept = first.copy()
    compiled(-rows.numpy())
    np.testing.assert_array_equal(first, kept)


def test_the_quicker_way_is_taken_for_each_number_of_rows(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(openvino_engine.time, "perf_counter", lambda: now_s[0])

    def takes(by_count):
        def way(rows):
            now_s[0] += by_count[len(rows)]
            return (rows,)

        return way

    shared, apart = takes({1: 6.0, 2: 12.0, 4: 24.0}), takes({1: 10.0, 2: 10.0, 4: 20.0})
    chosen = measured([apart, shared], np.zeros((1, 3), np.float32), [1, 2, 4])
    assert chosen == {1: shared, 2: apart, 4: apart}
    now_s[0] = 0.0
    _Quickest(chosen)(np.zeros((2, 3), np.float32))
    assert now_s[0] == 10.0


TELLS_NOBODY = """
import sys
from refit_ros.core.openvino_compiler import openvino_module
openvino_module()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__)
print([name for name in sys.modules if name.startswith("openvino_telemetry.")])
"""


def test_openvino_tells_nobody_that_it_was_imported():
    pytest.importorskip("openvino")
    surroundings = {name: value for name, value in os.environ.items() if name != "CI"}  # there it keeps quiet by itself
    said = subprocess.run(
        [sys.executable, "-c", TELLS_NOBODY], env=surroundings, capture_output=True, text=True, timeout=300
    )
    assert said.stdout.split("\n")[:2] == ["openvino.tools.ovc.telemetry_stub", "[]"], said.stderr

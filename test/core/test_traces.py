"""Recordings of a computation: of any number of rows, one for each kind, part of one another."""

from __future__ import annotations

import pytest
import torch

from refit_ros.core.traces import Traced


def scaled(kind: int, tensors):
    return (tensors[0] * kind + torch.zeros(tensors[0].shape[0], 1), tensors[0].sum(1))


@pytest.mark.parametrize("first", [1, 3])
def test_what_was_recorded_once_holds_for_any_number_of_rows(first):
    calls = []

    def compute(kind, tensors):
        calls.append(kind)
        return scaled(kind, tensors)

    traced = Traced(compute)
    for rows in (first, 1, 2, 7):
        for kind in (2, 5):
            given = (torch.rand(rows, 4),)
            for found, expected in zip(traced(kind, given), scaled(kind, given)):
                torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert calls == [2, 5]  # Python was not run again


def test_one_recording_becomes_part_of_another():
    inner = Traced(scaled)
    outer = Traced(lambda kind, tensors: inner(kind + 1, inner(kind, tensors)[:1]))
    given = (torch.rand(2, 4),)
    torch.testing.assert_close(outer(2, given)[0], 6 * given[0])
    torch.testing.assert_close(inner(2, given)[0], 2 * given[0])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_recordings_are_computed_on_one_thread_and_the_rest_keeps_its_own(threads):
    traced, seen = Traced(scaled), []
    traced(2, (torch.rand(2, 4),))

    def trace(given):
        seen.append(torch.get_num_threads())
        if not given.numel():
            raise RuntimeError("nothing to compute")

    traced._traces[2] = trace
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        traced(2, (torch.rand(2, 4),))
        with pytest.raises(RuntimeError, match="nothing to compute"):
            traced(2, (torch.rand(0, 4),))
        assert seen == [1, 1] and torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_what_is_forgotten_is_recorded_anew():
    traced = Traced(scaled)
    traced(2, (torch.rand(2, 4),))
    traced.forget()
    torch.testing.assert_close(traced(2, (torch.ones(3, 4),))[0], 2 * torch.ones(3, 4))


def test_what_cannot_be_recorded_is_computed_as_it_is(monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("no tracing here")

    monkeypatch.setattr(torch.jit, "trace", fail)
    traced = Traced(scaled)
    for _ in range(3):
        torch.testing.assert_close(traced(2, (torch.ones(3, 4),))[0], 2 * torch.ones(3, 4))
    assert caplog.text.count("no tracing here") == 1


def test_what_is_wrong_with_the_input_is_said_and_stops_no_recording():
    traced = Traced(lambda kind, tensors: (tensors[0] @ tensors[1],))
    with pytest.raises(RuntimeError):
        traced(0, (torch.ones(2, 3), torch.ones(2, 3)))
    traced(0, (torch.ones(2, 3), torch.ones(3, 2)))
    assert len(traced._traces) == 1


def test_recordings_are_not_kept_by_pytorch_for_good():
    """A network would stay with each of them: a node grew by one each time that it was configured."""
    kept = torch.jit._state._python_cu
    before = len(kept.get_functions())
    traced = Traced(scaled)
    traced(2, (torch.rand(2, 4),))
    assert traced._traces and torch.jit._state._python_cu is kept and len(kept.get_functions()) == before

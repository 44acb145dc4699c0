"""Samples of a running program, counted by what this package calls them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from refit_ros.benchmarking import sampled
from refit_ros.benchmarking.profile_suite import thread_rows
from refit_ros.benchmarking.sampled import PACKAGE, Sampled, own_name, parse, py_spy, sampling, shares, thread_times
from refit_ros.benchmarking.tables import tables_of

WORKER = f"thread (12): refit compute;run (/usr/lib/threading.py);Worker._run ({PACKAGE}/node/worker.py)"
RAW = f"""{WORKER};conv2d (/x/torch/f.py) 6
{WORKER};fit ({PACKAGE}/core/refit.py:7) 3
thread (0xd);spin (/usr/lib/rclpy/executors.py) 1
"""


def test_frames_are_named_by_their_place_in_the_package():
    assert own_name(f"Refit.fit ({PACKAGE}/core/refit.py)") == "core/refit.py: Refit.fit"
    assert own_name(f"Refit.fit ({PACKAGE}/core/refit.py:12)") == "core/refit.py: Refit.fit"
    assert own_name(f"f.<locals>.<lambda> ({PACKAGE}/people/solve.py)") == "people/solve.py: f.<locals>.<lambda>"
    assert own_name("spin (/usr/lib/rclpy/executors.py)") is None and own_name("forward (<eval_with_key>.2)") is None


def test_samples_are_counted_for_the_innermost_function_and_for_all_above_it():
    stacks = parse(RAW)
    assert [(number, thread, count) for number, thread, _, count in stacks] == [
        (12, "refit compute", 6),
        (12, "refit compute", 3),
        (13, "main", 1),
    ]
    alone, below = shares(stacks)
    assert alone == [
        ("node/worker.py: Worker._run", 0.6, "conv2d"),
        ("core/refit.py: fit", 0.3, "itself"),
        ("(main)", 0.1, "spin"),
    ]
    assert below == [("node/worker.py: Worker._run", 0.9), ("core/refit.py: fit", 0.3)]
    assert shares([]) == ([], [])


def test_threads_of_one_name_are_one_row():
    rows = thread_rows(
        Sampled({12: 0.3, 13: 0.05, 14: 0.05, 15: 0.0}, {12: "python", 13: "dds", 14: "dds", 15: "idle"}, parse(RAW)[:2]),
        frames=10,
    )
    assert [row[0] for row in rows] == ["refit compute", "not Python's (dds)"]
    assert rows[0][1:] == pytest.approx([30.0, 0.75]) and rows[1][1:] == pytest.approx([10.0, 0.25])


def test_a_thread_that_works_has_used_processor_time():
    before, names = thread_times(os.getpid())
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    after, _ = thread_times(os.getpid())
    assert sum(after.values()) > sum(before.values()) and os.getpid() in names
    assert thread_times(2**30) == ({}, {})


def test_without_py_spy_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(sampled.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(sampled.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install py-spy.*\[profile\]"):
        py_spy()


def test_a_running_program_is_sampled_and_goes_on(tmp_path):
    try:
        py_spy()
    except ValueError as error:
        pytest.skip(str(error))
    program = "def busy():\n    while True:\n        sum(range(1000))\nprint('on', flush=True)\nbusy()"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        found = Sampled()
        try:
            with sampling(child.pid, 1.0, tmp_path, found):
                time.sleep(1.5)
        except ValueError as error:
            pytest.skip(f"this system does not let it look: {error}")
        assert child.poll() is None
        assert sum(found.thread_s.values()) > 0
        assert any("busy" in frame for _, _, frames, _ in found.stacks for frame in frames)
    finally:
        child.kill()
        child.wait()


def test_a_program_that_has_ended_is_one_sentence(tmp_path):
    try:
        py_spy()
    except ValueError as error:
        pytest.skip(str(error))
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ValueError, match="py-spy gave nothing"), sampling(child.pid, 1.0, tmp_path, Sampled()):
        time.sleep(0.3)


def test_the_table_holds_the_shares():
    result = {
        "suite": "profile",
        "machine": {"processor": "P", "cores": 2, "system": "S", "python": "3"},
        "versions": {},
        "date": "2026-01-01",
        "threads": 2,
        "took_s": 1,
        "command": "c",
        "results": {
            "frames": 10,
            "frames_per_s": 30.0,
            "samples": 10,
            "threads": [["refit compute", 30.0, 0.75]],
            "alone": [["core/refit.py: fit", 0.3, "itself"]],
            "below": [["core/refit.py: fit", 0.3]],
        },
    }
    text = tables_of(result)
    assert "| refit compute | 30 | 75.0 % |" in text and "| `core/refit.py: fit` | 30.0 % | `itself` |" in text

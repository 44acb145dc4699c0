"""NumPy's linear algebra on one thread, and as it was afterwards."""

import threading
from contextlib import suppress
from importlib import import_module

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from refit_ros.core import small_matrices
from refit_ros.core.small_matrices import on_one_thread

libraries = [each for kind in small_matrices._libraries() for each in kind]


def threads():
    return [library.get_num_threads() for library in libraries]


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


def in_another_thread(function):
    told = []
    thread = threading.Thread(target=lambda: told.append(function()))
    thread.start()
    thread.join(30.0)
    return told[0]


def test_in_any_thread_whoever_had_the_say_before():
    """threadpoolctl lets the first thread that sets a number be the only one."""
    libraries[0].set_num_threads(2)  # the main thread has the say

    def inside():
        with on_one_thread():
            return threads()

    for _ in range(2):
        assert in_another_thread(inside) == [1] * len(libraries)
        assert inside() == [1] * len(libraries) and threads() == [2] * len(libraries)


@pytest.mark.skipif(not libraries, reason="this NumPy's linear algebra has no threads that could be counted")
def test_one_thread_inside_and_the_others_back_afterwards():
    before = threads()
    assert before == [2] * len(libraries) and any("numpy" in library.filepath for library in libraries)
    with on_one_thread():
        assert threads() == [1] * len(libraries)
        with on_one_thread():
            assert threads() == [1] * len(libraries)
        assert threads() == [1] * len(libraries)
    assert threads() == before
    with pytest.raises(np.linalg.LinAlgError), on_one_thread():
        np.linalg.inv(np.zeros((2, 2)))
    assert threads() == before


def test_every_call_of_a_function_by_itself():
    depth = []

    @on_one_thread()
    def call(further):
        depth.append(threads())
        if further:
            call(further - 1)
        return threads()

    assert call(2) == [1] * len(libraries) and depth == [[1] * len(libraries)] * 3
    assert threads() == [2] * len(libraries)


def test_who_leaves_first_does_not_take_it_from_the_others():
    entered, may_leave = threading.Event(), threading.Event()

    def other():
        with on_one_thread():
            entered.set()
            may_leave.wait(10.0)

    thread = threading.Thread(target=other)
    with on_one_thread():
        thread.start()
        assert entered.wait(10.0)
    assert threads() == [1] * len(libraries)
    may_leave.set()
    thread.join(10.0)
    assert threads() == [2] * len(libraries)


@pytest.mark.parametrize("module, name", [("estimator", "Estimator"), ("keypoint_estimator", "KeypointEstimator")])
def test_estimators_compute_so(module, name, monkeypatch):
    found, seen = import_module(f"refit_ros.estimation.{module}"), []
    monkeypatch.setattr(found, "usable", lambda *_: seen.append(threads()) or ([], {}))
    kind = getattr(found, name)
    bare = kind.__new__(kind)  # never made whole: `usable` is what it asks first
    bare._several = False
    with suppress(AttributeError):
        bare.estimate(())
    assert seen == [[1] * len(libraries)] and threads() == [2] * len(libraries)

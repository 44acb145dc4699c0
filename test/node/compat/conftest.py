"""Each contract test runs over the stand-in, and over the real package wherever that imports and works."""

from __future__ import annotations

import importlib.util
import time

import pytest


def works(package: str) -> bool:
    from refit_ros.node import compat

    try:
        compat.load_real(package)
    except ImportError:
        return False
    return True


def pytest_generate_tests(metafunc):
    """A test that asks for compat_module runs over both, unless it says itself over which."""
    said = any(mark.args[0] == "compat_module" for mark in metafunc.definition.iter_markers("parametrize"))
    if "compat_module" in metafunc.fixturenames and not said:
        there = importlib.util.find_spec("rclpy") and works(metafunc.module.PACKAGE)
        metafunc.parametrize("compat_module", ["stand_in", "real"] if there else ["stand_in"], indirect=True)


@pytest.fixture
def compat_module(request):
    """The package that the test file names as PACKAGE."""
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from refit_ros.node import compat

    load = compat.load_stand_in if request.param == "stand_in" else compat.load_real
    return load(request.module.PACKAGE)


@pytest.fixture
def node(ros_context):
    from rclpy.node import Node

    node = Node("contract_test", context=ros_context)
    yield node
    node.destroy_node()


@pytest.fixture
def spin_until(ros_context, node):
    """spin_until(condition): handles callbacks until the condition holds; fails after ten seconds without."""
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)

    def spin(condition, within_s: float = 10.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {within_s} s"
            executor.spin_once(timeout_sec=0.05)

    yield spin
    executor.shutdown()

"""Each contract test runs over the stand-in, and over the real package wherever that imports and works."""
from __future__ import annotations

import time

import pytest


@pytest.fixture(params=["stand_in", "real"])
def compat_module(request):
    """The package that the test file names as PACKAGE."""
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from refit_ros.node import compat
    package = request.module.PACKAGE
    if request.param == "stand_in":
        return compat.load_stand_in(package)
    try:
        return compat.load_real(package)
    except ImportError as reason:
        pytest.skip(f"the real {package} is not to be had here: {reason}")


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

"""What every test can rely on: its own corner of ROS, seeded chance, and a little of what several tests share."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # domains
from domains import own_domain  # noqa: E402

# Nothing that a test publishes leaves this machine, nor meets another run of the suite on it.
os.environ["ROS_DOMAIN_ID"] = str(own_domain())
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")


@pytest.fixture(autouse=True)
def seeded():
    """The same chance at every run, whatever ran before."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def a_command_in_a_test_ends_no_program(monkeypatch):
    """A command that only notes signals ends its program (`interrupt.leave`): that would be the suite."""
    from refit_ros import interrupt

    monkeypatch.setattr(interrupt, "only_note", lambda *_: None)


@pytest.fixture
def ros_context():
    """An rclpy context of the test's own, shut down afterwards; the test is skipped where there is no rclpy."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")
    from rclpy.context import Context

    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


def pytest_runtest_setup(item):
    """Third-party models that a test needs: without them it is skipped, with a sentence."""
    from refit_ros.models.files import command, missing

    for mark in item.iter_markers("needs_models"):
        absent = missing(*mark.args)
        if absent:
            pytest.skip(f"{', '.join(each.name for each in absent)} not there: `{command(*absent)}` gets them")
        pytest.importorskip("openvino", reason="openvino is not installed")

"""The node as a process: it ends when told, at once and well, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")

HERE = Path(__file__).parent
PATIENCE_S = 300.0  # on a machine that has much else to do; alone, a node starts in about 4 s and ends within 1 s
ACTIVE = f"""
import atexit, os, sys
atexit.register(os.abort)  # as threads of the middleware and of the network do now and then where the interpreter ends
sys.path.insert(0, {str(HERE)!r})
from node_fakes import fake_model
from refit_ros.node import refit_node
refit_node.RefitNode.__init__.__defaults__ = (lambda *_: fake_model(delay_s=0.2), refit_node.NAME)
from refit_ros.__main__ import main
sys.exit(main(["node"]))
"""

# Says when it imports a module, and goes on then.
STARTING = """
import builtins, sys
original = builtins.__import__
def spoken(name, *rest):
    if name == {module!r} and name not in sys.modules:
        print("importing", name, flush=True)
    return original(name, *rest)
builtins.__import__ = spoken
from refit_ros.__main__ import main
sys.exit(main(["node"]))
"""


class Process:
    """A child whose words go to a file."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        self.log = tmp_path / "log"
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, PYTHONUNBUFFERED="1"),
            )

    def wait_for(self, words: str, timeout_s: float = PATIENCE_S, meanwhile=lambda: None) -> None:
        end_s = time.monotonic() + timeout_s
        while words not in self.log.read_text():
            assert self.child.poll() is None, f"ended too early:\n{self.log.read_text()}"
            assert time.monotonic() < end_s, f"no '{words}' in:\n{self.log.read_text()}"
            meanwhile()
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Its exit code and words, after a signal; fails where it never ends."""
        self.child.send_signal(number)
        try:
            return self.child.wait(PATIENCE_S), self.log.read_text()
        except subprocess.TimeoutExpired:
            self.child.kill()
            pytest.fail(f"still running {PATIENCE_S} s after {number.name}:\n{self.log.read_text()}")


@pytest.fixture
def process(tmp_path):
    started = []

    def start(*arguments: str) -> Process:
        started.append(Process(tmp_path, *arguments))
        return started[-1]

    yield start
    for each in started:
        if each.child.poll() is None:
            each.child.kill()
            each.child.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_active_node(process, number):
    node = process("-c", ACTIVE)
    node.wait_for("active")
    code, said = node.end(number)
    assert code == 0 and "Traceback" not in said and "rror" not in said


@pytest.mark.parametrize(
    "module, number",
    [
        ("refit_ros.node.program", signal.SIGINT),
        ("rclpy", signal.SIGTERM),
        ("cv2", signal.SIGINT),
        ("refit_ros.node.refit_node", signal.SIGTERM),
        ("refit_ros.core.body", signal.SIGINT),
        ("torch", signal.SIGTERM),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_signal_while_it_starts(process, number, module):
    node = process("-c", STARTING.format(module=module))
    node.wait_for(f"importing {module}")
    code, said = node.end(number)
    assert code == 0 and "Traceback" not in said and "active" not in said


# Says how long it may take after a signal where there is no node yet, and where there is one.
ALLOWED = """
from refit_ros import interrupt
from refit_ros.node import program
def make():
    print("with a node", interrupt._last_resort_s, flush=True)
    raise ValueError("enough")
def node_class(which):
    print("without", interrupt._last_resort_s, flush=True)
    return make
program._node_class = node_class
from refit_ros.__main__ import main
main(["node"])
"""


def test_while_there_is_no_node_nothing_is_waited_for(process):
    node = process("-c", ALLOWED)
    assert node.child.wait(PATIENCE_S) == 2
    assert node.log.read_text().splitlines()[:2] == ["without 0.0", "with a node 3.0"]


# A node whose network never comes back from its first set.
STUCK = ACTIVE.replace("fake_model(delay_s=0.2)", "fake_model(gate=Never())").replace(
    "import atexit, os, sys\n",
    """import atexit, os, sys, time
class Never:
    def wait(self, _):
        print("computing", flush=True)
        time.sleep(100_000)
""",
    1,
)


def test_a_signal_ends_a_node_that_is_deep_in_a_computation(process, ros_context):
    from node_fakes import image_message, info_message
    from rclpy.node import Node
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image

    node = process("-c", STUCK)
    node.wait_for("active")
    driver = Node("driver", context=ros_context)
    try:
        infos = driver.create_publisher(CameraInfo, "/camera/camera_info", qos_profile_sensor_data)
        images = driver.create_publisher(Image, "/camera/image_raw", qos_profile_sensor_data)

        def publish() -> None:
            stamp_ns = time.time_ns()
            infos.publish(info_message(stamp_ns)), images.publish(image_message(stamp_ns))

        node.wait_for("computing", meanwhile=publish)
    finally:
        driver.destroy_node()
    code, said = node.end(signal.SIGINT)
    assert code == 0 and "Traceback" not in said


def state_of_the_node(context) -> str:
    """What it answers, asked over ROS."""
    from lifecycle_msgs.srv import GetState
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    asking, executor = Node("asking", context=context), SingleThreadedExecutor(context=context)
    executor.add_node(asking)
    client = asking.create_client(GetState, "/refit/get_state")
    try:
        assert client.wait_for_service(PATIENCE_S), "no service /refit/get_state"
        answer = client.call_async(GetState.Request())
        executor.spin_until_future_complete(answer, PATIENCE_S)
        return answer.result().current_state.label
    finally:
        executor.shutdown()
        asking.destroy_node()


def test_configure_fails_and_the_node_stays_alive(process, ros_context):
    node = process("-m", "refit_ros", "node", "--ros-args", "-p", "device:=toaster")
    node.wait_for("configure failed: there is no device 'toaster'")
    assert state_of_the_node(ros_context) == "unconfigured"
    code, said = node.end(signal.SIGINT)
    assert code == 0 and "Traceback" not in said


@pytest.mark.parametrize(
    "argument, says", [("sync_slop_s:=7.0", "sync_slop_s"), ("cameras:=7", "cameras"), ("warm_start:=maybe", "warm_start")]
)
def test_a_parameter_of_another_type_or_out_of_range_is_one_sentence(process, argument, says):
    node = process("-m", "refit_ros", "node", "--ros-args", "-p", argument)
    assert node.child.wait(PATIENCE_S) == 2
    said = node.log.read_text()
    assert says in said and "Traceback" not in said


def test_arguments_that_ros_cannot_read_are_one_sentence(process):
    node = process("-m", "refit_ros", "node", "--ros-args", "-p", "no value")
    assert node.child.wait(PATIENCE_S) == 2
    assert "Traceback" not in node.log.read_text()


def test_whole_numbers_do_for_parameters_with_a_point(process):
    node = process("-m", "refit_ros", "node", "--ros-args", "-p", "sync_slop_s:=1", "-p", "device:=toaster")
    node.wait_for("toaster")

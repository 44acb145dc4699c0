"""The example for speed and separation: its numbers, on capsules that are known."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[2] / "examples" / "separation.py"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="the examples are not beside the tests")


@pytest.fixture(scope="module")
def separation():
    spec = importlib.util.spec_from_file_location("separation_example", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def table(*rows) -> dict[str, np.ndarray]:
    from refit_ros.node.obstacles import CAPSULE_FIELDS

    return dict(zip(CAPSULE_FIELDS, np.array(rows, "<f4").reshape(-1, len(CAPSULE_FIELDS)).T))


FAR = (5, 0, 0, 5, 0, 1, 0.2, 0, 0, 0, 0.1, 1, 0)  # ends, radius, velocity, stddev, id, joint
NEAR = (2, 0, 0, 2, 0, 1, 0.1, -2.0, 0, 0, 0.05, 2, 0)


def test_the_nearest_skin_and_how_fast_it_comes(separation):
    distance_m, approach_mps = separation.by_capsule(table(FAR, NEAR), np.array([0.0, 0.0, 0.5]))
    np.testing.assert_allclose(distance_m, [5 - 0.2 - 2 * 0.1, 2 - 0.1 - 2 * 0.05], atol=1e-6)
    np.testing.assert_allclose(approach_mps, [0.0, 2.0], atol=1e-6)
    _, away_mps = separation.by_capsule(table(NEAR), np.array([4.0, 0.0, 0.5]))
    assert away_mps == 0.0


def test_the_margin_is_the_least_of_everybodys(separation):
    """Who stands nearest is not who has to be kept farthest: somebody behind them runs."""
    robot, link_m = separation.Robot(), np.array([0.0, 0.0, 0.5])
    still, running = (2, 0, 0, 2, 0, 1, 0.1, 0, 0, 0, 0.05, 1, 0), (2.2, 0, 0, 2.2, 0, 1, 0.1, -5.0, 0, 0, 0.05, 2, 0)
    near_m, margin_m = separation.nearest(table(still, running), link_m, robot, 0.1)
    assert near_m == pytest.approx(1.8, abs=1e-6)
    assert margin_m == pytest.approx(2.0 - separation.distance_to_keep_m(robot, 0.1, 5.0), abs=1e-6) and margin_m < 0
    assert separation.nearest(table(still), link_m, robot, 0.1)[1] > 0


def test_nobody_is_infinitely_far(separation):
    assert separation.nearest(table(), np.zeros(3), separation.Robot(), 0.1) == (float("inf"), float("inf"))


def test_what_has_to_be_kept(separation):
    robot = separation.Robot(speed_mps=1.0, reaction_s=0.1, stopping_s=0.3, stopping_m=0.2)
    assert separation.distance_to_keep_m(robot, 0.1, 0.0) == pytest.approx(1.6 * 0.5 + 1.0 * 0.2 + 0.2)
    assert separation.distance_to_keep_m(robot, 0.1, 2.0) == pytest.approx(2.0 * 0.5 + 1.0 * 0.2 + 0.2)
    assert separation.distance_to_keep_m(robot, 0.5, 0.0) > separation.distance_to_keep_m(robot, 0.1, 0.0)  # old images


def test_it_reads_what_the_node_writes(separation):
    pytest.importorskip("sensor_msgs", reason="sensor_msgs is not installed")
    from refit_ros.node.obstacles import CAPSULE_FIELDS, cloud

    message = cloud(np.array([FAR, NEAR]), CAPSULE_FIELDS)
    for name, column in separation.columns(message).items():
        np.testing.assert_allclose(column, table(FAR, NEAR)[name])


def test_it_tells_distance_margin_and_how_old_they_are_over_dds(separation, ros_context):
    pytest.importorskip("refit_ros.msg", reason="the messages are not built")
    from geometry_msgs.msg import TransformStamped
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from rclpy.time import Duration
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Float32
    from tf2_msgs.msg import TFMessage

    from refit_ros.node.obstacles import CAPSULE_FIELDS, cloud

    node, heard = Node("watch", context=ros_context), {}
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    for name in ("distance", "margin", "latency"):
        node.create_subscription(Float32, f"separation/{name}", lambda m, name=name: heard.setdefault(name, m.data), 10)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    tool = TransformStamped(child_frame_id="tool0")
    tool.header.frame_id, tool.transform.translation.z, tool.transform.rotation.w = "map", 0.5, 1.0
    statics, people = (
        node.create_publisher(TFMessage, "/tf_static", latched),
        node.create_publisher(PointCloud2, "human/capsules", 1),
    )
    statics.publish(TFMessage(transforms=[tool]))
    message, old_s = cloud(np.array([FAR, NEAR]), CAPSULE_FIELDS), 2.5
    message.header.frame_id = "map"
    program = subprocess.Popen([sys.executable, str(PATH)], stderr=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + 120
        while len(heard) < 3 and time.monotonic() < end_s:
            message.header.stamp = (node.get_clock().now() - Duration(seconds=old_s)).to_msg()
            people.publish(message)
            executor.spin_once(timeout_sec=0.2)
    finally:
        program.kill()
        program.wait()
        executor.shutdown()
        node.destroy_node()
    assert heard["distance"] == pytest.approx(1.8, abs=1e-4) and old_s <= heard["latency"] < old_s + 60
    kept_m = separation.distance_to_keep_m(separation.Robot(), heard["latency"], 2.0)
    assert heard["margin"] == pytest.approx(1.8 - kept_m, abs=1e-3)


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "rclpy.executors.ExternalShutdownException"])
def test_a_signal_ends_it_well(raised):
    """rclpy raises the one by SIGINT and the other by SIGTERM, with which robots stop their programs."""
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    program = f"""
import runpy, sys
import rclpy, rclpy.executors

def ended_by_a_signal(node):
    rclpy.shutdown()
    raise {raised}

rclpy.spin = ended_by_a_signal
sys.argv = [{str(PATH)!r}]
runpy.run_path({str(PATH)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr

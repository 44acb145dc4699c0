"""`doctor --live` on a graph with cameras, and on an empty one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from domains import own_domain

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import image_message, info_message, stamp_of  # noqa: E402

from refit_ros.node.advice import advise  # noqa: E402

WAIT_S = 120.0  # patience on a machine that has much else to do
STAMP_NS = 1_700_000_000_000_000_000


class Cameras:
    """Publishes, a few times a second, a whole camera, one without CameraInfo, a depth camera and their transforms."""

    def __init__(self, context) -> None:
        from geometry_msgs.msg import TransformStamped
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
        from sensor_msgs.msg import CameraInfo, Image
        from tf2_msgs.msg import TFMessage

        self.node = Node("drivers", context=context)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._images = {
            name: self.node.create_publisher(Image, f"/{name}/image_raw", qos_profile_sensor_data)
            for name in ("left", "right", "bare", "depth")
        }
        self._infos = {
            name: self.node.create_publisher(CameraInfo, f"/{name}/camera_info", 10) for name in ("left", "right")
        }
        transforms = []
        for name in ("left", "right"):
            transforms.append(TransformStamped(child_frame_id=f"{name}_optical"))
            transforms[-1].header.frame_id, transforms[-1].transform.rotation.w = "hall", 1.0
        self._tf = self.node.create_publisher(TFMessage, "/tf_static", latched)
        self._tf.publish(TFMessage(transforms=transforms))
        self.node.create_timer(0.1, self._tick)
        self._executor, self._ending = SingleThreadedExecutor(context=context), threading.Event()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        now_ns = self.node.get_clock().now().nanoseconds
        for name, publisher in self._images.items():
            publisher.publish(image_message(now_ns, frame_id=f"{name}_optical"))
        for name, publisher in self._infos.items():
            message = info_message(now_ns, frame_id=f"{name}_optical")
            message.header.stamp = stamp_of(now_ns)
            publisher.publish(message)

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(10)
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def cameras(ros_context):
    running = Cameras(ros_context)
    yield running
    running.close()


def test_what_is_there_and_what_to_type(cameras, ros_context):
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    from refit_ros.node.graph import Graph

    node, executor = Node("refit_doctor", context=ros_context), SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    graph = Graph(node, executor)

    def enough(images) -> bool:
        """All have come, and what belongs to them."""
        came = {each.camera: each for each in images if each.came > 1}
        whole = all(came.get(name) and came[name].info for name in ("left", "right"))
        return whole and "bare" in came and len(graph.parents) == 2

    seen = graph.listen(WAIT_S, enough)
    images = [each for each in seen if each.camera in ("bare", "left", "right")]  # not what another test has left behind
    advice = advise(images, graph.parents)
    executor.shutdown()
    node.destroy_node()
    assert len(images) == 3 and "depth" not in [each.camera for each in seen]  # which is nobody's concern
    left = images[1]
    assert (left.size_px, left.encoding, left.frame_id, left.reliable) == ((64, 48), "rgb8", "left_optical", False)
    assert (
        left.info.focal_px == 60
        and left.rate_hz > 0
        and abs(left.age_s) < WAIT_S
        and graph.parents["left_optical"] == "hall"
    )
    assert advice.launch == "ros2 launch refit_ros refit.launch.py cameras:=left,right fixed_frame:=hall"
    assert advice.problems == 1 and "WOULD NOT WORK: no CameraInfo came on /bare/camera_info" in advice.lines[0]


def test_an_empty_graph_is_a_sentence(tmp_path):
    """In a domain where nobody is: here, what was killed lately is still announced. What this machine has is told anyhow."""
    command = [sys.executable, "-m", "refit_ros", "doctor", "--live", "--seconds", "0.5"]
    env = dict(os.environ, ROS_DOMAIN_ID=str(own_domain()), REFIT_MODELS=str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=env)
    assert done.returncode == 1 and "no images: nobody publishes" in done.stdout and "Traceback" not in done.stderr
    assert "this machine: GPU" in done.stdout and "`python -m refit_ros models get` gets what real cameras" in done.stdout

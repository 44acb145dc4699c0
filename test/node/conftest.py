"""A running node with a fake model, and somebody who publishes to it and listens."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # node_fakes

WAIT_S = 120.0  # patience on a machine that has much else to do


class Spin:
    """A thread that spins a node until told to end. (`executor.shutdown` would destroy what the thread still waits for.)"""

    def __init__(self, node, context) -> None:
        from rclpy.executors import SingleThreadedExecutor

        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(node)
        self._ending = threading.Event()
        self._wake = node.create_guard_condition(lambda: None)
        self._thread = threading.Thread(target=self._run, name=f"spin {node.get_name()}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.executor.spin_once()

    def end(self) -> None:
        self._ending.set()
        self._wake.trigger()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), f"{self._thread.name}: a callback never ends"
        self.executor.shutdown()


class Bench:
    """The node under test and a helper node, each spun in a thread; every wait has an end."""

    def __init__(self, context) -> None:
        from rclpy.node import Node

        self.context, self._spins = context, {}
        self.helper = Node("helper", context=context)
        self._spin(self.helper)
        self.node, self._static, self._publishers, self._clients = None, None, {}, {}

    def _spin(self, node) -> None:
        self._spins[node] = Spin(node, self.context)

    def start(self, model=None, load=None, activate: bool = True, arguments: tuple[str, ...] = (), **parameters):
        """The node `refit`, spinning; `model` or `load` in place of a network. Returns it."""
        from rclpy.parameter import Parameter

        from refit_ros.node.refit_node import RefitNode

        overrides = [Parameter(name, value=value) for name, value in {"autostart": activate, **parameters}.items()]
        self.model = model
        self.node = RefitNode(
            load or (lambda *_: model),
            context=self.context,
            parameter_overrides=overrides,
            cli_args=["--ros-args", *arguments] if arguments else None,
        )
        self.started = self.node.start()
        self._spin(self.node)
        return self.node

    def listen(self, kind, topic: str, qos=20) -> list:
        """A list that fills with what comes on a topic."""
        messages = []
        self.helper.create_subscription(kind, topic, messages.append, qos)
        return messages

    def publish(self, topic: str, message, qos=None) -> None:
        """Publish once; the first time, wait for the subscriber."""
        from rclpy.qos import qos_profile_sensor_data

        if topic not in self._publishers:
            publisher = self._publishers[topic] = self.helper.create_publisher(
                type(message), topic, qos or qos_profile_sensor_data
            )
            self.wait(publisher.get_subscription_count, f"a subscriber of {topic}")
        self._publishers[topic].publish(message)

    def camera(self, stamp_ns: int, camera: str = "camera", **changes) -> None:
        """One calibrated image."""
        from node_fakes import image_message, info_message

        frame_id = changes.pop("frame_id", f"{camera}_optical")
        self.publish(f"/{camera}/camera_info", info_message(stamp_ns, frame_id=frame_id))
        self.publish(f"/{camera}/image_raw", image_message(stamp_ns, frame_id=frame_id, **changes))

    def stand(self, optical_frame: str, fixed_from_camera, fixed_frame: str) -> None:
        """Tell the node where a camera stands."""
        from geometry_msgs.msg import TransformStamped
        from rclpy.time import Time
        from scipy.spatial.transform import Rotation

        from refit_ros.node.compat import tf2_ros

        message = TransformStamped(child_frame_id=optical_frame)
        message.header.frame_id = fixed_frame
        place, turn = message.transform.translation, message.transform.rotation
        place.x, place.y, place.z = map(float, fixed_from_camera[:3, 3])
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(fixed_from_camera[:3, :3]).as_quat().tolist()
        if self._static is None:
            self._static = tf2_ros.StaticTransformBroadcaster(self.helper)
        self._static.sendTransform(message)
        self.wait(
            lambda: self.node._buffer.can_transform(fixed_frame, optical_frame, Time()), f"the transform of {optical_frame}"
        )

    def wait(self, condition, what: str, timeout_s: float = WAIT_S):
        """The first true value of `condition()`; fails after `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        pytest.fail(f"waited {timeout_s} s in vain for {what}")

    def connected(self, *topics: str) -> None:
        """Wait until the node's publishers of these topics have their listener here."""
        for topic in topics:
            self.wait(lambda topic=topic: self.helper.count_publishers(topic), f"a publisher of {topic}")
            publisher = next(each for each in self.node.publishers if each.topic_name == topic)
            self.wait(publisher.get_subscription_count, f"the listener of {topic}")

    def call(self, kind, name: str, request):
        if name not in self._clients:
            self._clients[name] = self.helper.create_client(kind, name)
        client = self._clients[name]
        assert client.wait_for_service(WAIT_S), f"no service {name}"
        future = client.call_async(request)
        self.wait(future.done, f"an answer of {name}")
        return future.result()

    def within_spin(self, what: Callable[[], Any]) -> Any:
        """What a function of no arguments returns, called where the node's callbacks are: as a transition by service is.

        From another thread it would take things from under the executor while that waits for them.
        """
        done = self._spins[self.node].executor.create_task(what)
        self.wait(done.done, "the spinning thread to do something")
        return done.result()

    def stop(self) -> None:
        """Close and destroy the node, if there is one. Nothing spins it then: an executor waits for what it holds."""
        if self.node is not None:
            self._spins.pop(self.node).end()
            self.node.close()
            self.node.destroy_node()
            self.node = None

    def close(self) -> None:
        self.stop()
        self._spins.pop(self.helper).end()
        self.helper.destroy_node()


@pytest.fixture
def bench(ros_context):
    pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    running = Bench(ros_context)
    yield running
    running.close()

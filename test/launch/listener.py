"""Somebody who listens to the launched system and asks it things; every wait has an end."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from scipy.spatial.transform import Rotation

PATIENCE_S = 60.0


class Listener:
    """A node in a context of its own. `heard[topic]` holds the messages of a topic, oldest first."""

    def __init__(self, topics: dict[str, type]) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("launch_test_listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list] = {topic: [] for topic in topics}
        for topic, kind in topics.items():
            self.node.create_subscription(kind, topic, self.heard[topic].append, 50)  # reliable, as most people's

    def close(self) -> None:
        self.executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self.context.try_shutdown()

    def wait(self, condition: Callable[[], bool], what: str, at_most_s: float = PATIENCE_S) -> None:
        """Listen until the condition holds. Raises AssertionError naming `what` where it never does."""
        end_s = time.monotonic() + at_most_s
        while not condition():
            assert time.monotonic() < end_s, f"{what}: not within {at_most_s:.0f} s"
            self.executor.spin_once(timeout_sec=0.1)

    def call(self, kind: type, name: str, request, at_most_s: float = PATIENCE_S):
        """A service's answer."""
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready, f"the service {name}", at_most_s)
        answer = client.call_async(request)
        self.wait(answer.done, f"the answer of {name}", at_most_s)
        self.node.destroy_client(client)
        return answer.result()

    def state(self, name: str) -> str:
        """Of the lifecycle node `name`."""
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, f"{name}/get_state", GetState.Request()).current_state.label

    def change_state(self, name: str, transition: int) -> bool:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, f"{name}/change_state", request).success

    def parameters(self, name: str, *asked: str) -> dict:
        from rcl_interfaces.srv import GetParameters
        from rclpy.parameter import parameter_value_to_python

        values = self.call(GetParameters, f"{name}/get_parameters", GetParameters.Request(names=list(asked))).values
        return {key: parameter_value_to_python(value) for key, value in zip(asked, values, strict=True)}


def stamp_of(message) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def joints_of(person) -> np.ndarray:
    """(24, 3) m"""
    return np.array([[joint.x, joint.y, joint.z] for joint in person.joints])


def frames_of(transforms) -> dict[str, np.ndarray]:
    """Where each frame lies, (4, 4), in the frame that has no parent among these transforms."""
    edges = {}
    for each in transforms:
        place, turn = each.transform.translation, each.transform.rotation
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        matrix[:3, 3] = place.x, place.y, place.z
        edges[each.child_frame_id] = each.header.frame_id, matrix

    def in_root(frame: str) -> np.ndarray:
        if frame not in edges:
            return np.eye(4)
        parent, matrix = edges[frame]
        return in_root(parent) @ matrix

    return {frame: in_root(frame) for frame in edges}

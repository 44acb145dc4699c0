"""TF in, for where the cameras stand, and TF out, for where the people's joints are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.node.conversions import set_stamp, set_xyz

if TYPE_CHECKING:
    from contextlib import ExitStack

    from rclpy.node import Node

    from refit_ros.estimation.types import Person
    from refit_ros.node.message_types import BagTypes, RosTypes
    from refit_ros.node.sets import Frame, FrameSet

POLL_S = 0.005


class NoTransform(Exception):
    """Why there is no transform at that time."""


# (target, source, stamp in ns) -> translation (x, y, z) and quaternion (x, y, z, w); raises NoTransform.
Lookup = Callable[[str, str, int], tuple[tuple[float, ...], tuple[float, ...]]]


def lookup_in(buffer: Any) -> Lookup:
    """Look up in a tf2_ros.Buffer, without waiting."""
    from rclpy.time import Time

    from refit_ros.node.compat import tf2_ros

    def lookup(target: str, source: str, stamp_ns: int):
        try:
            found = buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns)).transform
        except tf2_ros.TransformException as error:
            raise NoTransform(str(error)) from error
        place, turn = found.translation, found.rotation
        return (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)

    return lookup


def buffer_of(node: Node, opened: ExitStack) -> Any:
    """A tf2_ros.Buffer that forgets what changes over time when the node's clock is set back, until `opened` is closed.

    Not by tf2_ros's own `Buffer(node=...)`: what that asks of the clock is never taken back, and a clock that is set
    back calls it where the buffer has gone long since, which ends the program.
    """
    from rclpy.clock import JumpThreshold
    from rclpy.duration import Duration

    from refit_ros.node.compat import tf2_ros

    buffer = tf2_ros.Buffer()
    threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
    opened.callback(node.get_clock().create_jump_callback(threshold, post_callback=lambda _: buffer.clear()).unregister)
    return buffer


class Extrinsics:
    """Where each camera of a set stood in the fixed frame when it took its image.

    A transform may come later than the image: it is waited for up to `wait_s` a set, but not again for a camera
    whose transform did not come in time, until it is there again.
    """

    def __init__(self, lookup: Lookup, fixed_frame: str, wait_s: float) -> None:
        self._lookup, self._fixed_frame, self._wait_s = lookup, fixed_frame, wait_s
        self._given_up: set[str] = set()

    def of(self, taken: FrameSet) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """fixed_from_camera (4, 4) by camera, at each image's own stamp; and why there is none for the others."""
        found, missing = {}, {}
        deadline_s = time.monotonic() + self._wait_s
        for frame in taken.frames:
            try:
                found[frame.camera] = self._of_one(frame, deadline_s)
                self._given_up.discard(frame.camera)
            except NoTransform as error:
                self._given_up.add(frame.camera)
                missing[frame.camera] = f"no transform from '{frame.frame_id}' to '{self._fixed_frame}': {error}"
        return found, missing

    def _of_one(self, frame: Frame, deadline_s: float) -> np.ndarray:
        """Raises NoTransform when the time is over."""
        if frame.frame_id == self._fixed_frame:  # needs nobody to publish it
            return np.eye(4)
        while True:
            try:
                return matrix(*self._lookup(self._fixed_frame, frame.frame_id, frame.stamp_ns))
            except NoTransform:
                if frame.camera in self._given_up or time.monotonic() >= deadline_s:
                    raise
            time.sleep(POLL_S)


def matrix(translation: tuple[float, ...], quaternion: tuple[float, ...]) -> np.ndarray:
    """(4, 4) from m and x, y, z, w."""
    result = np.eye(4)
    result[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    result[:3, 3] = translation
    return result


def prefix_of(tf_prefix: str, namespace: str) -> str:
    """What goes before `human_<id>/...`: the parameter, or where it is empty the node's namespace; "/" means nothing."""
    chosen = (tf_prefix or namespace).strip("/")
    return f"{chosen}/" if chosen else ""


def joint_frame(person_id: int, joint: int, prefix: str = "") -> str:
    return f"{prefix}human_{person_id}/{JOINT_NAMES[joint]}"


def transforms(
    types: RosTypes | BagTypes, people: tuple[Person, ...], stamp_ns: int, fixed_frame: str, prefix: str = ""
) -> list:
    """geometry_msgs/TransformStamped from the fixed frame to each pelvis and on along SMPL's tree, for everybody."""
    result = []
    for person in people:
        places, turns = _relative(person)
        for joint, parent in enumerate(PARENTS):
            message = types.new("geometry_msgs/msg/TransformStamped")
            set_stamp(message.header.stamp, stamp_ns)
            message.header.frame_id = fixed_frame if parent < 0 else joint_frame(person.id, parent, prefix)
            message.child_frame_id = joint_frame(person.id, joint, prefix)
            set_xyz(message.transform.translation, places[joint])
            turn = message.transform.rotation
            turn.x, turn.y, turn.z, turn.w = turns[joint].tolist()
            result.append(message)
    return result


def _relative(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """(24, 3) m and (24, 4) x, y, z, w: each joint in its parent's frame, the pelvis in the fixed frame."""
    joints, rotmats = np.asarray(person.joints, float), np.asarray(person.joint_rotmats, float)
    parents = np.array(PARENTS[1:])
    back = rotmats[parents].transpose(0, 2, 1)
    places = np.concatenate([joints[:1], (back @ (joints[1:] - joints[parents])[..., None])[..., 0]])
    turns = np.concatenate([rotmats[:1], back @ rotmats[1:]])
    return places, Rotation.from_matrix(turns).as_quat()

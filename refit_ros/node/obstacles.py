"""People for planners: points for nav2, capsules for safety and MoveIt, people_msgs/People where it is installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.capsules import BodyCapsules, Capsules
from refit_ros.node.conversions import set_stamp, set_xyz
from refit_ros.node.message_types import RosTypes

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from refit_ros.core.body_files import BodyArrays
    from refit_ros.estimation.types import Person

DEPTH = 5
POINTS, CAPSULES, PEOPLE, COLLISIONS = "human/obstacles", "human/capsules", "people", "collision_object"
POINT_FIELDS = ("x", "y", "z")
# One point a capsule: ends and radius, m; the pelvis' velocity, m/s; one sigma of the ends, m; whose it is; which joint's.
CAPSULE_FIELDS = ("x", "y", "z", "end_x", "end_y", "end_z", "radius", "vx", "vy", "vz", "stddev", "id", "joint")
_FLOAT32 = 7  # sensor_msgs/PointField
SIGMAS = 2.0  # of a capsule's place, added to the radius of what MoveIt must not touch
_SPHERE, _CYLINDER = 2, 3  # shape_msgs/SolidPrimitive
_ADD, _REMOVE = b"\0", b"\1"  # moveit_msgs/CollisionObject


class Obstacles:
    """Publishers of the lifecycle node; what nobody listens to is not computed."""

    def __init__(self, node: LifecycleNode, body: BodyArrays) -> None:
        from sensor_msgs.msg import PointCloud2

        self._node, self._body = node, BodyCapsules(body)
        self._publishers = {
            topic: node.create_lifecycle_publisher(PointCloud2, topic, DEPTH) for topic in (POINTS, CAPSULES)
        }
        for topic, package, name in ((PEOPLE, "people_msgs", "People"), (COLLISIONS, "moveit_msgs", "CollisionObject")):
            kind = installed(package, name)
            if kind is not None:
                self._publishers[topic] = node.create_lifecycle_publisher(kind, topic, DEPTH)
        self._collisions: set[int] = set()

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, people: tuple[Person, ...], stamp_ns: int, frame_id: str) -> None:
        """Everybody of a set, in the fixed frame."""
        wanted = {topic for topic, publisher in self._publishers.items() if publisher.get_subscription_count() > 0}
        if not wanted:
            return
        bodies = [self._body.of(person) for person in people] if wanted - {PEOPLE} else []
        if POINTS in wanted:
            points = [body.surface_m() for body in bodies]
            self._send(POINTS, cloud(np.concatenate([np.zeros((0, 3)), *points]), POINT_FIELDS), stamp_ns, frame_id)
        if CAPSULES in wanted:
            self._send(CAPSULES, cloud(capsule_table(bodies), CAPSULE_FIELDS), stamp_ns, frame_id)
        if PEOPLE in wanted:
            self._send(PEOPLE, people_message(people), stamp_ns, frame_id)
        if COLLISIONS in wanted:
            for body in bodies:
                self._send(COLLISIONS, collision_object(body), stamp_ns, frame_id)
            for gone in sorted(self._collisions - {body.id for body in bodies}):
                self._send(COLLISIONS, removal(gone), stamp_ns, frame_id)
            self._collisions = {body.id for body in bodies}

    def _send(self, topic: str, message: Any, stamp_ns: int, frame_id: str) -> None:
        message.header.frame_id = frame_id
        set_stamp(message.header.stamp, stamp_ns)
        self._publishers[topic].publish(message)


def cloud(table: np.ndarray, fields: tuple[str, ...]) -> Any:
    """(N, F) -> sensor_msgs/PointCloud2 of float32 fields; N may be 0."""
    from sensor_msgs.msg import PointCloud2, PointField

    data = np.ascontiguousarray(table, "<f4").reshape(-1, len(fields))
    message = PointCloud2(height=1, width=len(data), is_bigendian=False, is_dense=True)
    message.fields = [PointField(name=name, offset=4 * i, datatype=_FLOAT32, count=1) for i, name in enumerate(fields)]
    message.point_step, message.row_step = 4 * len(fields), data.nbytes
    if len(data):
        message.data = RosTypes.octets(data)
    return message


def capsule_table(bodies: list[Capsules]) -> np.ndarray:
    """(N, len(CAPSULE_FIELDS)) of everybody's capsules."""
    rows = [np.zeros((0, len(CAPSULE_FIELDS)))]
    for body in bodies:
        count = len(body.names)
        joint = [JOINT_INDEX[name] for name in body.names]
        velocity = np.tile(body.velocity_mps, (count, 1))
        columns = (body.start_m, body.end_m, body.radius_m, velocity, body.stddev_m, np.full(count, body.id), joint)
        rows.append(np.column_stack(columns))
    return np.concatenate(rows)


def people_message(people: tuple[Person, ...]) -> Any:
    """people_msgs/People: pelvis, velocity, and how sure."""
    package = importlib.import_module("people_msgs.msg")
    message = package.People()
    for person in people:
        each = package.Person(name=str(person.id), reliability=float(person.confidence))
        set_xyz(each.position, person.joints[0])
        set_xyz(each.velocity, person.root_velocity)
        message.people.append(each)
    return message


def collision_object(body: Capsules) -> Any:
    """moveit_msgs/CollisionObject: for each capsule a cylinder and two balls, two sigma of its place added to the radius."""
    from geometry_msgs.msg import Pose

    solid = importlib.import_module("shape_msgs.msg").SolidPrimitive
    message = importlib.import_module("moveit_msgs.msg").CollisionObject(id=f"human_{body.id}", operation=_ADD)
    message.pose.orientation.w = 1.0
    for start, end, radius in zip(body.start_m, body.end_m, body.radius_m + SIGMAS * body.stddev_m):
        length = float(np.linalg.norm(end - start))
        parts = [(_SPHERE, [radius], start, None), (_SPHERE, [radius], end, None)]
        if length > 1e-6:
            turn, _ = Rotation.align_vectors((end - start)[None] / length, [[0.0, 0.0, 1.0]])
            parts.append((_CYLINDER, [length, radius], (start + end) / 2, turn))
        for kind, sizes, place, turn in parts:
            message.primitives.append(solid(type=kind, dimensions=[float(size) for size in sizes]))
            pose = Pose()
            set_xyz(pose.position, place)
            quaternion = turn.as_quat().tolist() if turn is not None else [0.0, 0.0, 0.0, 1.0]
            pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = quaternion
            message.primitive_poses.append(pose)
    return message


def removal(person: int) -> Any:
    """moveit_msgs/CollisionObject: this person is gone."""
    message = importlib.import_module("moveit_msgs.msg").CollisionObject(id=f"human_{person}", operation=_REMOVE)
    message.pose.orientation.w = 1.0
    return message


def installed(package: str, name: str) -> type | None:
    """A message's class where its package is installed."""
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None

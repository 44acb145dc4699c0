"""How near is the nearest person to a robot's link, and is that enough? An example, not a safety function.

    python examples/separation.py --link tool0 --ros-args -p use_sim_time:=false

Listens to /human/capsules (the node with `obstacles:=true`) and TF; publishes `separation/distance` and `separation/margin`
(std_msgs/Float32, m), the least of everybody's, and `separation/latency` (s), the age of the images that they come from.
The distance to keep is ISO/TS 15066's:
S = v_h (T_r + T_s) + v_r T_r + S_s, the person at ISO 13855's speed, or faster where they were seen faster; T_r holds the
age of the images.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

WALKING_MPS = 1.6  # ISO 13855: how fast a person comes nearer who is not known better
SIGMAS = 2.0


@dataclass(frozen=True)
class Robot:
    speed_mps: float = 0.5  # of the link towards the person
    reaction_s: float = 0.1  # from the message to the beginning of the stop
    stopping_s: float = 0.3
    stopping_m: float = 0.1


def by_capsule(table: dict[str, np.ndarray], link_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of /human/capsules, and the link's place in their frame -> of each capsule the distance to its skin, m, and
    the speed at which its person comes nearer, m/s."""
    start = np.column_stack([table[name] for name in ("x", "y", "z")]).astype(float)
    along = np.column_stack([table[name] for name in ("end_x", "end_y", "end_z")]) - start
    part = np.clip(((link_m - start) * along).sum(1) / np.maximum((along * along).sum(1), 1e-12), 0, 1)
    to_link = link_m - start - part[:, None] * along
    away = np.linalg.norm(to_link, axis=1)
    distance = np.maximum(away - table["radius"] - SIGMAS * table["stddev"], 0)
    velocity = np.column_stack([table[name] for name in ("vx", "vy", "vz")]).astype(float)
    return distance, np.maximum((velocity * to_link).sum(1) / np.maximum(away, 1e-9), 0.0)


def nearest(table: dict[str, np.ndarray], link_m: np.ndarray, robot: Robot, age_s: float) -> tuple[float, float]:
    """-> distance to the nearest skin, and the least margin, m: not the nearest person's where another runs towards the
    link. (inf, inf) where nobody is there."""
    if not len(table["x"]):
        return float("inf"), float("inf")
    distance, approach_mps = by_capsule(table, link_m)
    margin = [away - distance_to_keep_m(robot, age_s, speed) for away, speed in zip(distance, approach_mps)]
    return float(distance.min()), float(min(margin))


def distance_to_keep_m(robot: Robot, age_s: float, approach_mps: float) -> float:
    """ISO/TS 15066, 5.5.4: what both come nearer until the robot stands."""
    person_mps, reaction_s = max(WALKING_MPS, approach_mps), age_s + robot.reaction_s
    return person_mps * (reaction_s + robot.stopping_s) + robot.speed_mps * reaction_s + robot.stopping_m


def columns(message) -> dict[str, np.ndarray]:
    """A PointCloud2 of float32 fields by their names."""
    names, offsets = [field.name for field in message.fields], [field.offset for field in message.fields]
    kind = np.dtype({"names": names, "formats": ["<f4"] * len(names), "offsets": offsets, "itemsize": message.point_step})
    table = np.frombuffer(bytes(message.data), kind)
    return {name: table[name] for name in names}


def main() -> None:
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.node import Node
    from rclpy.time import Time
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Float32

    from refit_ros.node.compat import tf2_ros

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--link", default="tool0", help="frame of the robot's link")
    arguments, ros_arguments = parser.parse_known_args()
    rclpy.init(args=ros_arguments)
    node, robot = Node("separation"), Robot()
    buffer = tf2_ros.Buffer(node=node)
    listener = tf2_ros.TransformListener(buffer, node)  # noqa: F841
    told = {name: node.create_publisher(Float32, f"separation/{name}", 1) for name in ("distance", "margin", "latency")}

    def take(message: PointCloud2) -> None:
        try:
            found = buffer.lookup_transform(message.header.frame_id, arguments.link, Time()).transform.translation
        except tf2_ros.TransformException as error:
            node.get_logger().warning(f"no transform to {arguments.link}: {error}", throttle_duration_sec=5.0)
            return
        age_s = (node.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds * 1e-9
        near_m, margin_m = nearest(columns(message), np.array([found.x, found.y, found.z]), robot, max(age_s, 0.0))
        for name, value in {"distance": near_m, "margin": margin_m, "latency": age_s}.items():
            told[name].publish(Float32(data=value))
        if margin_m < 0:
            text = f"nearest {near_m:.2f} m, somebody {-margin_m:.2f} m too near at images {1e3 * age_s:.0f} ms old: stop"
            node.get_logger().warning(text, throttle_duration_sec=1.0)

    node.create_subscription(PointCloud2, "human/capsules", take, 1)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # SIGINT, and SIGTERM, which rclpy takes itself
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

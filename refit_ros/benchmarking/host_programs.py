"""What runs on the hosts of `hosts_suite` besides this package's own nodes: edges with drawn eyes, and who listens.

python -m refit_ros.benchmarking.host_programs edge --cameras camera1 camera2 --of 8 --people 2 --rate 10
python -m refit_ros.benchmarking.host_programs listen --output FILE
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

from rclpy.executors import ExternalShutdownException

from refit_ros import interrupt
from refit_ros.benchmarking.drawn_evidence import HEIGHT_PX, WIDTH_PX, DrawnEyes, drawn_room
from refit_ros.node.edge_node import EdgeNode

FRAME = "map"
END_WAIT_S = 2.0


class DrawnEdge(EdgeNode):
    """An edge whose images are moments of a drawn room, the same on all hosts. It says where its cameras stand."""

    def __init__(self, cameras: list[str], of: int, people: int, rate_hz: float) -> None:
        from rclpy.parameter import Parameter

        from refit_ros.node.evidence_kind import kind_of

        self._room, network = drawn_room(of, people)
        self._rate_hz, self._shooting = rate_hz, threading.Event()
        super().__init__(
            lambda options, settings: (DrawnEyes(self._room), kind_of(network, network.body.name), "drawn"),
            parameter_overrides=[Parameter("cameras", value=cameras)],
        )

    def _open_streams(self, opened: ExitStack) -> None:
        super()._open_streams(opened)
        self._broadcaster = self._say_where()
        self._shooting.set()
        thread = threading.Thread(target=self._shoot, name="drawn cameras", daemon=True)
        opened.callback(thread.join, END_WAIT_S)
        opened.callback(self._shooting.clear)
        thread.start()

    def _shoot(self) -> None:
        from refit_ros.node.sets import Frame, FrameSet

        black = SimpleNamespace(
            header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0)),
            width=WIDTH_PX,
            height=HEIGHT_PX,
            encoding="rgb8",
            step=3 * WIDTH_PX,
            data=bytes(3 * WIDTH_PX * HEIGHT_PX),
        )
        period_ns = round(1e9 / self._rate_hz)
        while self._shooting.is_set():
            stamp_ns = (time.time_ns() // period_ns + 1) * period_ns
            time.sleep(max(0, stamp_ns - time.time_ns()) * 1e-9)
            for name in self._options.cameras:
                self._deliver(FrameSet((Frame(name, stamp_ns, f"{name}_optical", black, self._room.calibrations[name]),)))

    def _say_where(self):
        from refit_ros.node.compat import tf2_ros

        broadcaster = tf2_ros.StaticTransformBroadcaster(self)
        broadcaster.sendTransform([_transform(name, self._room.poses[name]) for name in self._options.cameras])
        return broadcaster


def _transform(name: str, pose):
    from geometry_msgs.msg import TransformStamped
    from scipy.spatial.transform import Rotation

    message = TransformStamped(child_frame_id=f"{name}_optical")
    message.header.frame_id = FRAME
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = map(float, pose[:3, 3])
    turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
    return message


def run_edge(args: argparse.Namespace) -> None:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    node = DrawnEdge(args.cameras, args.of, args.people, args.rate)
    if not node.start():
        raise SystemExit(1)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.spin()


def run_listen(args: argparse.Namespace) -> None:
    """Writes a line of JSON for each message on /human/smpl, and on the synthetic cameras' truth, until it is ended."""
    import rclpy
    from rclpy.node import Node
    from rclpy.qos import qos_profile_sensor_data

    from refit_ros.msg import SmplArray
    from refit_ros.node.synthetic_cameras import TRUTH_TOPIC

    rclpy.init()
    node = Node("hosts_listener")
    with args.output.open("w", buffering=1) as file:

        def on(what: str):
            def write(message) -> None:
                file.write(json.dumps({"what": what, "came_ns": time.time_ns(), **_content(message)}) + "\n")

            return write

        node.create_subscription(SmplArray, "/human/smpl", on("people"), qos_profile_sensor_data)
        node.create_subscription(SmplArray, TRUTH_TOPIC, on("truth"), qos_profile_sensor_data)
        rclpy.spin(node)


def _content(message) -> dict:
    return {
        "stamp_ns": message.header.stamp.sec * 10**9 + message.header.stamp.nanosec,
        "cameras": list(message.cameras),
        "people": [[each.id, each.joints[0].x, each.joints[0].y, each.joints[0].z] for each in message.people],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("edge", "listen"))
    parser.add_argument("--cameras", nargs="*", default=[])
    parser.add_argument("--of", type=int, default=1, help="cameras in all")
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--rate", type=float, default=10.0, help="images a second")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        run_edge(args) if args.what == "edge" else run_listen(args)
    interrupt.leave(0)


if __name__ == "__main__":
    main()

"""The viewer beside a node: it sees what is published, asks for no more than it needs, and ends well."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from motion_truth import START_NS, body, people_message, person

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")

from refit_ros.node.message_types import RosTypes  # noqa: E402
from refit_ros.viewer import live  # noqa: E402
from refit_ros.viewer.recorder import Recorder  # noqa: E402
from refit_ros.viewer.scene import Scene  # noqa: E402
from refit_ros.viewer.skin import Skin  # noqa: E402

WAIT_S = 120.0  # patience on a machine that has much else to do


class Beside:
    """A viewer's subscriptions, and somebody who publishes what they are for."""

    def __init__(self, context, *arguments: str) -> None:
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.viewer = Node("refit_viewer", context=context, cli_args=["--ros-args", *arguments] if arguments else None)
        self.other = Node("other", context=context)
        self.recorder, self.types, self.index = Recorder(), RosTypes(), 0
        self.scene = Scene(lambda target, source: self.live.place(target, source), Skin(body().arrays))
        topics = "{camera}/image_raw", "{camera}/camera_info", "raw"
        self.live = live.Live(self.viewer, self.scene, self.recorder, *topics)
        self._executor = SingleThreadedExecutor(context=context)
        for node in (self.viewer, self.other):
            self._executor.add_node(node)
        self._publishers = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def publish(self, topic: str, message, qos=10) -> None:
        if topic not in self._publishers:
            self._publishers[topic] = self.other.create_publisher(type(message), topic, qos)
        self._publishers[topic].publish(message)

    def publish_people(self) -> None:
        self.index = (self.index + 1) % 12
        self.publish("/human/smpl", people_message(self.types, [person(self.index)], self.index))

    def until(self, condition, meanwhile=lambda: None, what: str = ""):
        """What `condition()` gives once it is true; `meanwhile` is done again and again: best effort is not sure."""
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            meanwhile()
            found = condition()
            if found:
                return found
            time.sleep(0.02)
        pytest.fail(f"waited {WAIT_S} s in vain for {what}")

    def state(self):
        return self.scene.state(time.monotonic())

    def close(self) -> None:
        self._ending.set()
        self._thread.join(10)
        self._executor.shutdown()
        for node in (self.viewer, self.other):
            node.destroy_node()


@pytest.fixture
def beside(ros_context):
    running = Beside(ros_context)
    yield running
    running.close()


def test_it_sees_people_cameras_and_images(beside, monkeypatch):
    from geometry_msgs.msg import TransformStamped
    from node_fakes import image_message, info_message
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from tf2_msgs.msg import TFMessage

    monkeypatch.setattr(live, "STATIC_ALONE_S", 1e9)
    beside.until(lambda: beside.state().people, beside.publish_people, "people")
    assert beside.state().people[0].vertices.shape == (body().vertex_count, 3)
    where = TransformStamped(child_frame_id="left_optical")
    where.header.frame_id = "map"
    where.transform.translation.x, where.transform.rotation.w = 2.5, 1.0
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    beside.publish("/tf_static", TFMessage(transforms=[where]), latched)

    def camera() -> None:
        beside.publish_people()
        beside.publish("/left/camera_info", info_message(START_NS, frame_id="left_optical"))
        beside.publish("/left/image_raw", image_message(START_NS, width=640, height=480, frame_id="left_optical"))

    def whole():
        (seen,) = beside.state().cameras
        return seen if seen.image is not None and seen.world_from_camera is not None else None

    seen = beside.until(whole, camera, "a camera with its image and place")
    monkeypatch.setattr(live, "STATIC_ALONE_S", 0.0)  # from now on it would listen where it has need
    end_s = time.monotonic() + 4 * live.LOOK_S
    beside.until(lambda: time.monotonic() > end_s, camera)
    assert beside.other.count_subscribers("/tf") == 0, "the node would publish people's frames for it"
    assert seen.image.shape == (240, 320, 3) and (seen.image == 100).all()
    assert seen.world_from_camera[0, 3] == pytest.approx(2.5)
    beside.until(lambda: len(beside.recorder.of(4)) > 1, beside.publish_people, "a recording")


def test_overlays_are_asked_for_only_while_they_are_looked_at(beside):
    beside.until(lambda: beside.state().people, beside.publish_people, "people")
    count = beside.other.count_subscribers
    beside.until(lambda: count("/left/image_raw") == 1, what="a subscription of the images")
    assert count("/human/left/overlay") == 0 and count("/human/markers") == 0
    beside.live.images = "overlay"
    beside.until(lambda: count("/human/left/overlay") == 1 and count("/left/image_raw") == 0, what="one of the overlays")
    beside.live.images = "none"
    beside.until(lambda: count("/human/left/overlay") == 0, what="the end of it")


def test_transforms_are_not_listened_to_without_need(beside):
    """A single camera's people are in its own frame; a listener of /tf would make the node publish every joint's."""
    from node_fakes import info_message

    def alone() -> None:
        message = people_message(beside.types, [person(1)], 1, "left_optical")
        beside.publish("/human/smpl", message)
        beside.publish("/left/camera_info", info_message(START_NS, frame_id="left_optical"))

    beside.until(lambda: [each for each in beside.state().cameras if each.world_from_camera is not None], alone, "a camera")
    assert beside.other.count_subscribers("/tf") == 0
    beside.until(lambda: beside.other.count_subscribers("/tf") == 1, beside.publish_people, "a listener of /tf")


@pytest.mark.parametrize(
    "arguments, own",
    [
        ((), ""),
        (("-r", "__ns:=/left_robot"), "/left_robot"),
        (("-r", "human/smpl:=/left_robot/human/smpl"), "/left_robot"),
        (("-r", "__ns:=/left_robot", "-r", "human/smpl:=/people"), "/left_robot"),
    ],
)
def test_cameras_of_other_robots_are_none_of_its_own(ros_context, arguments, own):
    """/diagnostics is one for all robots, whose cameras are called alike."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

    def said_by(node: str, camera: str) -> DiagnosticStatus:
        return DiagnosticStatus(name=f"{node}: camera {camera}", message=node, values=[KeyValue(key="state", value="live")])

    beside = Beside(ros_context, *arguments)
    try:
        others = [f"{namespace}/refit" for namespace in {"", "/left_robot", "/right_robot", "/left_robot/arm"} - {own}]
        message = DiagnosticArray(status=[said_by(f"{own}/refit", "front"), said_by(f"{own}/refit", "arm/back")])
        message.status += [said_by(each, camera) for each in others for camera in ("front", "rear")]
        seen = beside.until(lambda: beside.state().cameras, lambda: beside.publish("/diagnostics", message), "the cameras")
        assert {camera.name: camera.text for camera in seen} == dict.fromkeys(("front", "arm/back"), f"{own}/refit")
    finally:
        beside.close()


@pytest.fixture
def viewer_process(tmp_path):
    pytest.importorskip("viser", reason="viser is not installed (pip install viser)")
    log = tmp_path / "log"
    started = []

    def start(*arguments: str) -> tuple[subprocess.Popen, str]:
        with log.open("w") as words:
            command = [sys.executable, "-m", "refit_ros", "view", "--port", "0", *arguments]
            child = subprocess.Popen(
                command, stdout=words, stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONUNBUFFERED="1")
            )
        started.append(child)
        end_s = time.monotonic() + WAIT_S
        while not (found := re.search(r"open (http://\S+)", log.read_text())):
            assert child.poll() is None and time.monotonic() < end_s, log.read_text()
            time.sleep(0.05)
        return child, found[1]

    yield start, log
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_a_page_and_ends_when_told(viewer_process, number):
    start, log = viewer_process
    child, address = start()
    assert b"<html" in urllib.request.urlopen(address, timeout=WAIT_S).read()
    child.send_signal(number)
    assert child.wait(WAIT_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    pytest.importorskip("viser", reason="viser is not installed (pip install viser)")
    from refit_ros.__main__ import main

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["view", "--port", str(taken.getsockname()[1])]) == 2
    assert re.fullmatch(r"refit_ros: port \d+ is in use .*\n", capsys.readouterr().err)
    assert main(["view", "--bag", str(tmp_path / "nothing")]) == 2
    assert "there is no bag" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["view", "--port", "70000"])
    assert "0 .. 65535" in capsys.readouterr().err

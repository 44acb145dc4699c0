"""Edges and a fusion node over DDS: the people of one process, from three; and what happens when an edge is lost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.view_evidence import Search

pytestmark = [pytest.mark.ros, pytest.mark.needs_models("pose_detection", "pose_landmark_full")]
CAMERAS = ("left", "right")
SIZE = 160, 120  # larger images do not fit the shared memory that Fast DDS takes by default, and may be lost
FOCAL_PX = 112.5
STEP_NS = 100_000_000
FIRST_NS = 1_700_000_000_000_000_000
SAME_M = 1e-5
WAIT_S = 120.0  # to begin with


def pose(camera: str) -> np.ndarray:
    """fixed_from_camera of two cameras, 4 m apart, that look at people 5 m away (x right, y down, z forward)."""
    x = -2.0 if camera == "left" else 2.0
    turn = np.arctan2(-x, 5.0)
    placed = np.eye(4)
    placed[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    placed[0, 3] = x
    return placed


class Seer:
    """Reads in an image which camera's it is and at which step, and knows who stands where then: detector and landmarks."""

    def __init__(self, network) -> None:
        import torch

        upright = torch.eye(3).repeat(1, 24, 1, 1)
        upright[:, 0] *= torch.tensor([1.0, -1.0, -1.0])[:, None]  # the camera's y points down
        landmarks, joints = network.landmark_body(torch.zeros(1, 10), upright)
        self.body_m = (landmarks[:, :33] - joints[:, :1])[0].double().numpy()

    def everybody(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(P, 33, 2) px, and the landmarks (33, 3) m in the camera's axes."""
        camera, step = CAMERAS[int(image[0, 0, 0])], int(image[0, 1, 0])
        placed = pose(camera)
        places = [] if step == 0 else [[-0.8 + 0.06 * step, 0, 5], [0.7, 0, 5.4 - 0.03 * step]]
        points = [(self.body_m + place - placed[:3, 3]) @ placed[:3, :3] for place in np.array(places).reshape(-1, 3)]
        px = [FOCAL_PX * each[:, :2] / each[:, 2:] + np.array(SIZE) / 2 for each in points]
        return np.array(px).reshape(-1, 33, 2), self.body_m @ placed[:3, :3]

    def find(self, images):
        found = []
        for image in images:
            px, _ = self.everybody(image)
            found.append(Boxes(np.concatenate([px.min(1) - 3, px.max(1) + 3], 1), np.full(len(px), 0.9)))
        return found

    def in_boxes(self, image, xyxy_px):
        px, offset_m = self.everybody(image)
        middles = (xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2
        own = [int(np.linalg.norm(px.mean(1) - middle, axis=1).argmin()) for middle in middles] if len(px) else []
        count = len(own)
        seen = np.full((count, 33), 0.95)
        return Landmarks(
            px[own].reshape(-1, 33, 2), seen, seen, np.tile(offset_m, (count, 1, 1)), np.full(count, 0.9), seen,
            np.zeros((count, 4)), np.zeros((count, 4)),
        )  # fmt: skip


class Room:
    """One node `refit`, and edges with a fusion node, in one room: the same images for both."""

    def __init__(self, bench) -> None:
        from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, load_network

        self.bench = bench
        self.network = load_network(EMBEDDED_KEYPOINT_WEIGHTS)
        self.seer, self.nodes, self.sent = Seer(self.network), {}, 0

    def _start(self, name, make, **parameters):
        from rclpy.parameter import Parameter

        given = {"camera_timeout_s": 60.0, "evidence": "keypoints", **parameters}
        node = make(
            context=self.bench.context,
            parameter_overrides=[Parameter(key, value=value) for key, value in given.items()],
            namespace=f"/{name.split('_')[0]}",
        )
        assert node.start()
        self.nodes[name] = node
        self.bench._spin(node)
        return node

    def alone(self, **parameters):
        from refit_ros.estimation.keypoint_estimator import KeypointEstimator
        from refit_ros.node.model import Model
        from refit_ros.node.refit_node import RefitNode

        def load(options, settings: Settings):
            estimator = KeypointEstimator(self.network, self.seer, settings, self.seer)
            return Model(estimator, self.network.body, "cpu", "test")

        return self._start("alone", lambda **more: RefitNode(load, **more), **parameters)

    def edge(self, camera: str, **parameters):
        from refit_ros.estimation.eyes import LandmarkEyes
        from refit_ros.node.edge_node import EdgeNode
        from refit_ros.node.evidence_kind import kind_of

        eyes = LandmarkEyes(self.seer, {Search.DETECTOR: self.seer})
        load = lambda options, settings: (eyes, kind_of(self.network, self.network.body.name), "test")  # noqa: E731
        topics = {"image_topic": "/{camera}/image_raw", "camera_info_topic": "/{camera}/camera_info"}
        return self._start(
            f"split_edge_{camera}", lambda **more: EdgeNode(load, **more), cameras=[camera], **topics, **parameters
        )

    def fusion(self, name: str = "split_fusion", **parameters):
        from refit_ros.node.fusion_node import FusionNode

        return self._start(name, FusionNode, **parameters)

    def end(self, name) -> None:
        node = self.nodes.pop(name)
        self.bench._spins.pop(node).end()
        node.close()
        node.destroy_node()

    def close(self) -> None:
        for name in list(self.nodes):
            self.end(name)

    def stand(self) -> None:
        """Cameras' places, which every node with a fixed frame hears of."""
        from geometry_msgs.msg import TransformStamped
        from rclpy.time import Time
        from scipy.spatial.transform import Rotation

        from refit_ros.node.compat import tf2_ros

        messages = []
        for camera in CAMERAS:
            message = TransformStamped(child_frame_id=f"{camera}_optical")
            message.header.frame_id = "map"
            place, turn = message.transform.translation, message.transform.rotation
            place.x, place.y, place.z = map(float, pose(camera)[:3, 3])
            turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(pose(camera)[:3, :3]).as_quat().tolist()
            messages.append(message)
        self._static = tf2_ros.StaticTransformBroadcaster(self.bench.helper)
        self._static.sendTransform(messages)
        for node in self.nodes.values():
            buffer = getattr(node, "_buffer", None)
            for camera in CAMERAS if buffer is not None else ():
                self.bench.wait(
                    lambda buffer=buffer, camera=camera: buffer.can_transform("map", f"{camera}_optical", Time()),
                    "transforms",
                )

    def show(self, step: int) -> int:
        """Images of all cameras, of a new moment; its stamp."""
        from node_fakes import info_message, stamp_of
        from sensor_msgs.msg import Image

        self.sent += 1
        stamp_ns = FIRST_NS + self.sent * STEP_NS
        for number, camera in enumerate(CAMERAS):
            image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
            image[0, 0, 0], image[0, 1, 0] = number, step
            message = Image(width=SIZE[0], height=SIZE[1], encoding="rgb8", step=3 * SIZE[0])
            message.header.stamp, message.header.frame_id = stamp_of(stamp_ns), f"{camera}_optical"
            message.data.frombytes(image.tobytes())
            info = info_message(stamp_ns, *SIZE, FOCAL_PX, f"{camera}_optical")
            self.bench.publish(f"/{camera}/camera_info", info)
            self.bench.publish(f"/{camera}/image_raw", message)
        return stamp_ns


def stamp_ns(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.fixture
def room(bench, monkeypatch):
    messages = pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    if not hasattr(messages, "ViewEvidence"):
        pytest.skip("the messages were built before there was a ViewEvidence: `make setup` builds them anew")
    monkeypatch.setattr("refit_ros.node.remote_eyes.LEAST_GRACE_S", LONG_S)  # however busy the machine: wait for both
    # Stamps here go on by a tenth of a second an image, however long an image takes: no clock was set anew.
    monkeypatch.setattr("refit_ros.node.sets.JUMP_NS", 10**18)
    opened = Room(bench)
    yield opened
    opened.close()


ROOM = {"clock_offset_s": 0.0, "fixed_frame": "map", "cameras": list(CAMERAS)}
LONG_S = 3600.0


def patient(node) -> None:
    """However little of the processor this test gets: sets wait for all cameras, and the fusion for all answers."""
    node._intake.builder._deadline_s = node._intake.builder._timeout_s = LONG_S
    if hasattr(node, "_eyes"):
        node._eyes._wait_s = LONG_S


def started(room):
    """What fusion (and the node alone) publish, once they know all cameras and nothing is on its way any more."""
    from refit_ros.msg import SmplArray

    heard = {name: room.bench.listen(SmplArray, f"/{name}/human/smpl") for name in {n.split("_")[0] for n in room.nodes}}
    room.stand()
    room.bench.wait(lambda: room.nodes["split_fusion"]._standby.publishes, "the fusion node to take over")
    end_s = time.monotonic() + 2 * WAIT_S
    while not all(any(tuple(one.cameras) == CAMERAS for one in list(messages)) for messages in heard.values()):
        assert time.monotonic() < end_s, {name: [one.cameras for one in messages] for name, messages in heard.items()}
        room.show(0)
        time.sleep(0.5)
    answered(room, heard, room.show(0))
    return heard


def answered(room, heard, now: int) -> dict:
    """What each has published of this moment."""
    return {
        name: room.bench.wait(
            lambda messages=messages: next((one for one in list(messages) if stamp_ns(one) == now), None), f"{name} at {now}"
        )
        for name, messages in heard.items()
    }


def until(room, heard, cameras: tuple[str, ...], people: int) -> set[int]:
    """The ids of so many people in these cameras, once there are; moment by moment, each as long as it takes."""
    for _ in range(200):
        one = answered(room, heard, room.show(3))["split"]
        if tuple(one.cameras) == cameras and len(one.people) == people:
            return {person.id for person in one.people}
    pytest.fail(f"never {people} people in {cameras}")


def joints_of(person) -> np.ndarray:
    return np.array([[point.x, point.y, point.z] for point in person.joints])


def test_three_processes_give_the_people_of_one(room):
    topics = {"image_topic": "/{camera}/image_raw", "camera_info_topic": "/{camera}/camera_info"}
    patient(room.alone(**ROOM, **topics))
    for camera in CAMERAS:
        room.edge(camera)
    patient(room.fusion(**ROOM))
    heard = started(room)
    for name in ("alone", "split_fusion"):  # both begin anew, whatever each has seen of the empty room
        room.nodes[name]._pipeline.reset()
    counts = []
    for step in range(1, 8):
        found = answered(room, heard, room.show(step))
        one, other = found["alone"], found["split"]
        assert one.cameras == other.cameras == list(CAMERAS)
        assert one.header.frame_id == other.header.frame_id == "map" and one.sync_spread == other.sync_spread
        assert [person.id for person in one.people] == [person.id for person in other.people]
        for first, second in zip(one.people, other.people):
            assert np.abs(joints_of(first) - joints_of(second)).max() < SAME_M
            assert np.abs(np.array(first.betas) - np.array(second.betas)).max() < 1e-4
            assert [view.camera for view in first.views] == [view.camera for view in second.views] == list(CAMERAS)
        counts.append(len(one.people))
    assert counts[-1] == 2 and sum(counts) >= 8


def test_an_edge_that_dies_leaves_the_others_people_and_is_taken_back(room):
    for camera in CAMERAS:
        room.edge(camera)
    fusion = room.fusion(**ROOM)
    patient(fusion)
    heard = started(room)

    both = until(room, heard, CAMERAS, 2)
    room.end("split_edge_right")
    fusion._intake.builder._deadline_s = fusion._intake.builder._timeout_s = 1.0  # for a lost edge nobody waits for ever
    assert until(room, heard, ("left",), 2) == both
    room.edge("right")
    until(room, heard, CAMERAS, 2)


def test_a_standby_goes_on_with_the_same_people(room, monkeypatch):
    for camera in CAMERAS:
        room.edge(camera)
    first = room.fusion(**ROOM)
    patient(first)
    heard = started(room)
    # However long a heartbeat takes on a busy machine, the first is not gone before it is.
    for name in ("SILENT_S", "LISTEN_S"):
        monkeypatch.setattr(f"refit_ros.node.standby.{name}", LONG_S)
    second = room.fusion("split_second", **ROOM)
    patient(second)
    room.stand()
    until(room, heard, CAMERAS, 2)
    first._pipeline.reset()  # so that they have other ids than who only begins to count
    for _ in range(200):
        both = until(room, heard, CAMERAS, 2)
        if set(second._ids._other._last) >= both:
            break
    assert min(both) > 2 and not second._standby.publishes
    room.end("split_fusion")
    for name in ("SILENT_S", "LISTEN_S"):
        monkeypatch.setattr(f"refit_ros.node.standby.{name}", 0.0)
    room.bench.wait(lambda: second._standby.publishes, "the standby to take over")
    assert until(room, heard, CAMERAS, 2) == both

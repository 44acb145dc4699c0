"""People by REP 155: topics, joint states, URDF and frames by the standard's names, and nothing where nobody listens."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "estimation"))  # test_humanoid: bodies whose pose is known

from node_fakes import fake_model, small_body, stamp_of  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from refit_ros.camera.calibration import Calibration  # noqa: E402
from refit_ros.camera.views import View  # noqa: E402
from refit_ros.estimation.humanoid import Lengths, humanoid  # noqa: E402
from refit_ros.estimation.types import PersonView  # noqa: E402
from refit_ros.node.humans import Humans  # noqa: E402
from refit_ros.node.message_types import RosTypes  # noqa: E402
from refit_ros.node.urdf import urdf  # noqa: E402

STAMP_NS = 1_700_000_000_250_000_000
LENGTHS = Lengths(0.5, 0.4, 0.2, 0.15, 0.11, 0.28, 0.25, 0.4, 0.42)
# The links and moving joints of REP 155's kinematic model.
SIDES = "lr"
LINKS = {"body", "waist", "torso", "r_head", "y_head", "p_head", "head"} | {
    f"{side}_{part}"
    for side in SIDES
    for part in (
        *("y_shoulder", "p_shoulder", "shoulder", "elbow", "wrist"),
        *("y_hip", "p_hip", "hip", "knee", "ankle"),
    )
}
MOVING = {"waist", "r_head", "y_head", "p_head"} | {
    f"{side}_{part}"
    for side in SIDES
    for part in ("y_shoulder", "p_shoulder", "r_shoulder", "elbow", "y_hip", "p_hip", "r_hip", "knee")
}
FIXED = {"torso", "head"} | {f"{side}_{part}" for side in SIDES for part in ("wrist", "ankle")}


def numbers(text: str) -> np.ndarray:
    return np.array([float(value) for value in text.split()])


def forward(text: str, angles: dict[str, float]) -> dict[str, np.ndarray]:
    """Every link's pose (4, 4) in the root's, as any reader of URDF computes it."""
    robot = ElementTree.fromstring(text)
    children = {joint.find("child").get("link"): joint for joint in robot.findall("joint")}
    found: dict[str, np.ndarray] = {}

    def pose(link: str) -> np.ndarray:
        if link in found:
            return found[link]
        if link not in children:
            return np.eye(4)
        joint = children[link]
        own = np.eye(4)
        own[:3, 3] = numbers(joint.find("origin").get("xyz"))
        if joint.get("type") == "revolute":
            axis = numbers(joint.find("axis").get("xyz"))
            own[:3, :3] = Rotation.from_rotvec(axis * angles[joint.get("name")]).as_matrix()
        found[link] = pose(joint.find("parent").get("link")) @ own
        return found[link]

    return {link.get("name"): pose(link.get("name")) for link in robot.findall("link")}


def test_the_urdf_has_the_standard_s_links_and_joints():
    robot = ElementTree.fromstring(urdf("h7", LENGTHS))
    assert {link.get("name") for link in robot.findall("link")} == {f"{name}_h7" for name in LINKS}
    kinds = {joint.get("name").removesuffix("_h7"): joint.get("type") for joint in robot.findall("joint")}
    assert {name for name, kind in kinds.items() if kind == "revolute"} == MOVING
    assert {name for name, kind in kinds.items() if kind == "fixed"} == FIXED
    children = [joint.find("child").get("link") for joint in robot.findall("joint")]
    assert len(children) == len(set(children)) == len(LINKS) - 1  # a tree below the body
    standing = forward(urdf("h7", LENGTHS), {f"{name}_h7": 0.0 for name in MOVING})
    np.testing.assert_allclose(standing["l_wrist_h7"][:3, 3], [0, 0.2, 0.5 - 0.28 - 0.25], atol=1e-5)
    np.testing.assert_allclose(standing["r_ankle_h7"][:3, 3], [0, -0.1, -0.82], atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_joint_states_in_the_urdf_point_every_limb_where_the_person_does(seed):
    """Directions in the world agree; places do but for what the trunk's one axis cannot say."""
    from test_humanoid import JOINT_INDEX, REST, lengths_of, posed

    random = np.random.default_rng(seed)
    loose = {name: Rotation.from_rotvec(0.6 * random.standard_normal(3)) for name in JOINT_INDEX if "spine" not in name}
    joints, rotmats = posed(**loose)
    lengths = lengths_of(REST, 1.7)
    model = humanoid(joints, rotmats, lengths)
    links = forward(urdf("x", lengths), {f"{name}_x": value for name, value in model.angles.items()})
    place, turn = model.body
    for name in ("l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_hip", "r_hip", "l_knee", "r_knee", "head", "torso"):
        np.testing.assert_allclose(turn @ links[f"{name}_x"][:3, :3], model.links[name][1], atol=1e-4)
    for side, full in (("l", "left"), ("r", "right")):
        for part in ("hip", "knee", "ankle"):
            there = place + turn @ links[f"{side}_{part}_x"][:3, 3]
            np.testing.assert_allclose(there, joints[JOINT_INDEX[f"{full}_{part}"]], atol=1e-3)


class FakeNode:
    """Keeps what is published; some topics are listened to."""

    def __init__(self, *listened: str) -> None:
        self.listened, self.sent, self.open, self.warned, self.qos = listened, [], set(), [], {}
        self.count_publishers = lambda topic: 1  # on the whole graph

    def create_lifecycle_publisher(self, kind, topic, qos, event_callbacks):
        self.open.add(topic)
        self.qos[topic] = qos
        return SimpleNamespace(
            topic=topic,
            get_subscription_count=lambda: int(topic.rsplit("/", 1)[1] in self.listened),
            publish=lambda message: self.sent.append((topic, message)),
            on_activate=lambda state: None,
        )

    def destroy_lifecycle_publisher(self, publisher) -> None:
        self.open.remove(publisher.topic)

    def get_logger(self):
        return SimpleNamespace(warning=self.warned.append)


@pytest.fixture
def installed(monkeypatch):
    """hri_msgs with its published fields, in place of the package, which is not installed here."""
    from std_msgs.msg import Header

    def message(kind: str, /, **fields):
        def start(self):
            for field, default in fields.items():
                setattr(self, field, default())

        return type(kind, (), {"__init__": start, "__slots__": tuple(fields)})

    kinds = dict(
        IdsList=message("IdsList", header=Header, ids=list),
        NormalizedRegionOfInterest2D=message("Roi", header=Header, xmin=float, ymin=float, xmax=float, ymax=float, c=float),
        NormalizedPointOfInterest2D=message("Poi", x=float, y=float, c=float),
        Skeleton2D=message("Skeleton2D", header=Header, skeleton=list),
    )
    for name in ("hri_msgs", "hri_msgs.msg"):
        module = ModuleType(name)
        vars(module).update(kinds if name.endswith(".msg") else {})
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def people():
    """Two, whom the camera of `views_of` sees."""
    found = fake_model(people=2).estimator.people
    boxes = np.array([[10.0, 5, 30, 40], [25, 4, 70, 44]])
    seen = [PersonView("camera", "camera_optical", box, np.zeros(3), 0.0) for box in boxes]
    return tuple(replace(person, views=(view,)) for person, view in zip(found, seen))


def views_of(people) -> list[View]:
    """The image in which the fake people are seen, with a mark where the first one's box begins."""
    name = people[0].views[0].camera
    K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    image = np.zeros((48, 64, 3), np.uint8)
    left, top = np.floor(people[0].views[0].box_xyxy_px[:2]).astype(int)
    image[max(top, 0), max(left, 0)] = 200
    return [View(image, Calibration(name, f"{name}_optical", 64, 48, K), 0.0)]


def test_everybody_has_the_standard_s_topics(people, installed):
    node = FakeNode("tracked", "roi", "skeleton2d", "joint_states", "cropped")
    humans = Humans(node, small_body().arrays, RosTypes())
    humans.publish(people, views_of(people), STAMP_NS)
    sent = {topic: message for topic, message in node.sent}
    assert sent["/humans/bodies/tracked"].ids == ["h1", "h2"]
    for body in ("h1", "h2"):
        for topic in ("roi", "skeleton2d", "joint_states", "cropped", "urdf"):
            assert f"/humans/bodies/{body}/{topic}" in sent, topic
    roi = sent["/humans/bodies/h1/roi"]
    assert 0 <= roi.xmin < roi.xmax <= 1 and 0 <= roi.ymin < roi.ymax <= 1 and roi.header.stamp == stamp_of(STAMP_NS)
    np.testing.assert_allclose(
        [roi.xmin * 64, roi.ymin * 48, roi.xmax * 64, roi.ymax * 48],
        np.clip(people[0].views[0].box_xyxy_px, 0, [64, 48, 64, 48]),
        atol=1e-5,
    )
    skeleton = sent["/humans/bodies/h1/skeleton2d"].skeleton
    assert len(skeleton) == 18 and all(point.c == 0 for point in skeleton[14:])  # eyes and ears: not known
    cropped = sent["/humans/bodies/h1/cropped"]
    assert cropped.encoding == "rgb8" and len(cropped.data) == cropped.height * cropped.step and cropped.data[0] == 200
    states = sent["/humans/bodies/h2/joint_states"]
    assert set(states.name) == {f"{name}_h2" for name in MOVING} and np.isfinite(states.position).all()
    assert len(states.name) == len(states.position)


def test_where_the_image_is_on_another_machine_nothing_is_cut_out_of_it(people, installed):
    node = FakeNode("roi", "skeleton2d", "cropped")
    views = [replace(view, image=None) for view in views_of(people)]
    Humans(node, small_body().arrays, RosTypes()).publish(people, views, STAMP_NS)
    sent = {topic.rsplit("/", 1)[1] for topic, _ in node.sent}
    assert sent == {"roi", "skeleton2d", "urdf"}


def test_skeleton_points_are_the_standard_s_and_lie_on_the_joints(people, installed):
    from refit_ros.core.joints import JOINT_INDEX

    node = FakeNode("skeleton2d")
    Humans(node, small_body().arrays, RosTypes()).publish(people, views_of(people), STAMP_NS)
    points = dict(node.sent)["/humans/bodies/h1/skeleton2d"].skeleton
    # NECK = 1, RIGHT_SHOULDER = 2, LEFT_SHOULDER = 5, RIGHT_HIP = 8, LEFT_ANKLE = 13
    checked = 0
    for index, name in {1: "neck", 2: "right_shoulder", 5: "left_shoulder", 8: "right_hip", 13: "left_ankle"}.items():
        x, y, z = people[0].joints[JOINT_INDEX[name]]
        expected = (60 * x / z + 32) / 64, (60 * y / z + 24) / 48
        if points[index].c:
            checked += 1
            np.testing.assert_allclose([points[index].x, points[index].y], expected, atol=0.01)
    assert checked


def test_a_urdf_is_latched_and_comes_again_only_with_another_shape(people, installed):
    from rclpy.qos import DurabilityPolicy

    node = FakeNode()
    humans = Humans(node, small_body().arrays, RosTypes())
    for _ in range(3):
        humans.publish(people[:1], (), STAMP_NS)
    assert [topic for topic, _ in node.sent] == ["/humans/bodies/h1/urdf"]
    assert node.qos["/humans/bodies/h1/urdf"].durability == DurabilityPolicy.TRANSIENT_LOCAL
    other = replace(people[0], betas=np.array([4.0, *np.zeros(9)]))
    humans.publish((other,), (), STAMP_NS)
    assert len(node.sent) == 2 and node.sent[0][1].data != node.sent[1][1].data


def test_what_is_said_of_an_image_bears_its_stamp_and_all_else_the_set_s(people, installed):
    """The set's is its earliest image's, which may be another camera's."""
    node = FakeNode("tracked", "roi", "skeleton2d", "joint_states", "cropped")
    humans = Humans(node, small_body().arrays, RosTypes())
    humans.publish(people[:1], views_of(people), STAMP_NS, {"other": STAMP_NS, "camera": STAMP_NS + 7_000_000})
    stamps = {topic.rsplit("/", 1)[1]: message.header.stamp for topic, message in node.sent if "urdf" not in topic}
    image, whole = stamp_of(STAMP_NS + 7_000_000), stamp_of(STAMP_NS)
    assert stamps == dict(tracked=whole, joint_states=whole, roi=image, skeleton2d=image, cropped=image)


def test_the_node_gives_each_image_s_stamp(bench):
    from sensor_msgs.msg import Image

    bench.start(fake_model(people=1), hri=True, cameras=["left", "right"], fixed_frame="map", sync_slop_s=0.02)
    crops = bench.listen(Image, "/humans/bodies/h1/cropped")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    number = 0

    def image():
        nonlocal number
        number += 1
        stamp_ns = STAMP_NS + number * 100_000_000
        bench.camera(stamp_ns + 9_000_000, "left")
        bench.camera(stamp_ns, "right")
        return crops

    crop = bench.wait(image, "a crop")[0]
    late_ns = 9_000_000 if crop.header.frame_id == "left_optical" else 0
    assert (crop.header.stamp.nanosec - STAMP_NS) % 100_000_000 == late_ns


def test_who_is_gone_takes_their_topics_along(people, installed):
    node = FakeNode("tracked")
    humans = Humans(node, small_body().arrays, RosTypes())
    humans.publish(people, (), STAMP_NS)
    humans.publish(people[1:], (), STAMP_NS)
    assert not any("/h1/" in topic for topic in node.open) and any("/h2/" in topic for topic in node.open)
    humans.publish((), (), STAMP_NS)
    assert node.open == {"/humans/bodies/tracked"} and node.sent[-1][1].ids == []
    humans.close()
    assert not node.open


def test_frames_hang_below_the_body(people):
    node = FakeNode()
    humans = Humans(node, small_body().arrays, RosTypes())
    assert len(node.warned) == 1 and "hri_msgs is not installed" in node.warned[0]
    found = {each.child_frame_id: each for each in humans.transforms(people[:1], STAMP_NS, "map")}
    assert found["body_h1"].header.frame_id == "map"
    del found["body_h1"]
    parts = {"waist", "torso", "head"} | {
        f"{side}_{part}" for side in SIDES for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    }
    assert set(found) == {f"{part}_h1" for part in parts}
    assert {each.header.frame_id for each in found.values()} == {"body_h1"}


def test_the_node_publishes_them_when_it_is_told_to(bench):
    from sensor_msgs.msg import JointState
    from tf2_msgs.msg import TFMessage

    bench.start(fake_model(people=1), hri=True)
    transforms = bench.listen(TFMessage, "/tf")
    bench.connected("/tf")
    bench.camera(STAMP_NS)
    names = bench.wait(lambda: transforms and {t.child_frame_id for t in transforms[-1].transforms}, "transforms")
    assert {"body_h1", "l_wrist_h1", "human_1/pelvis"} <= names
    states = bench.listen(JointState, "/humans/bodies/h1/joint_states")
    own = bench.wait(
        lambda: [each for each in list(bench.node.publishers) if each.topic_name.endswith("h1/joint_states")],
        "its publisher",
    )
    bench.wait(own[0].get_subscription_count, "the listener")
    bench.camera(STAMP_NS + 100_000_000)
    message = bench.wait(lambda: states and states[-1], "joint states")
    assert set(message.name) == {f"{name}_h1" for name in MOVING}
    bench.within_spin(bench.node.trigger_deactivate)
    assert not any("/h1/" in each.topic_name for each in bench.node.publishers)  # nothing stale stays


def test_by_default_it_does_not(bench):
    bench.start(fake_model())
    assert not any("/humans" in each.topic_name for each in bench.node.publishers)

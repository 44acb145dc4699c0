"""What planners get: points, capsules, people, collision objects; and only where somebody listens."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import fake_model, small_body  # noqa: E402

from refit_ros.node import obstacles  # noqa: E402
from refit_ros.node.obstacles import CAPSULE_FIELDS, Obstacles  # noqa: E402

STAMP_NS = 1_700_000_000_250_000_000


class FakeNode:
    """Keeps what is published on the topics that are listened to."""

    def __init__(self, *listened: str) -> None:
        self.listened, self.sent, self.destroyed = listened, [], []

    def create_lifecycle_publisher(self, kind, topic, depth):
        return SimpleNamespace(
            kind=kind,
            topic=topic,
            get_subscription_count=lambda: int(topic in self.listened),
            publish=lambda message: self.sent.append((topic, message)),
        )

    def destroy_lifecycle_publisher(self, publisher) -> None:
        self.destroyed.append(publisher.topic)


def read(message) -> dict[str, np.ndarray]:
    """The columns of a PointCloud2 by its own description."""
    kind = np.dtype({"names": [f.name for f in message.fields], "formats": ["<f4"] * len(message.fields),
                     "offsets": [f.offset for f in message.fields], "itemsize": message.point_step})  # fmt: skip
    table = np.frombuffer(bytes(message.data), kind)
    assert len(table) == message.width and message.row_step == message.width * message.point_step
    assert all(field.datatype == 7 and field.count == 1 for field in message.fields)
    return {name: table[name] for name in kind.names}


@pytest.fixture
def people():
    return fake_model(people=2).estimator.people


def test_points_and_capsules_of_everybody(people):
    node = FakeNode("human/obstacles", "human/capsules")
    Obstacles(node, small_body().arrays).publish(people, STAMP_NS, "map")
    sent = dict(node.sent)
    assert set(sent) == {"human/obstacles", "human/capsules"}
    for message in sent.values():
        assert message.header.frame_id == "map" and message.header.stamp.nanosec == 250_000_000
    points = read(sent["human/obstacles"])
    assert list(points) == ["x", "y", "z"] and len(points["x"]) > 200
    capsules = read(sent["human/capsules"])
    assert tuple(capsules) == CAPSULE_FIELDS and set(capsules["id"]) == {1, 2} and (capsules["radius"] > 0).all()
    first = capsules["id"] == 1
    np.testing.assert_allclose(np.column_stack([capsules[axis][first] for axis in "xyz"])[0], people[0].joints[0], atol=1e-5)
    np.testing.assert_allclose(capsules["stddev"], 0.02)
    np.testing.assert_allclose(capsules["vx"][first], people[0].root_velocity[0])


def test_nobody_is_an_empty_cloud(people):
    node = FakeNode("human/obstacles", "human/capsules")
    Obstacles(node, small_body().arrays).publish((), STAMP_NS, "map")
    assert [message.width for _, message in node.sent] == [0, 0]
    assert len(node.sent[0][1].fields) == 3


def test_without_a_listener_nothing_is_computed(people, monkeypatch):
    node = FakeNode()
    made = Obstacles(node, small_body().arrays)
    monkeypatch.setattr(made, "_body", None)
    made.publish(people, STAMP_NS, "map")
    made.close()
    assert not node.sent and node.destroyed == ["human/obstacles", "human/capsules"]


@pytest.fixture
def installed(monkeypatch):
    """people_msgs and moveit_msgs with their published fields, in place of those that are not installed here."""
    from geometry_msgs.msg import Point, Pose
    from std_msgs.msg import Header

    def message(kind: str, /, **fields):
        def start(self, **given):
            for field, default in fields.items():
                setattr(self, field, given.pop(field, None) or default())
            assert not given

        return type(kind, (), {"__init__": start, "__slots__": tuple(fields)})

    texts = dict(name=str, position=Point, velocity=Point, reliability=float, tagnames=list, tags=list)
    solid = message("SolidPrimitive", type=int, dimensions=list, polygon=object)
    collision = message(
        "CollisionObject",
        header=Header,
        pose=Pose,
        id=str,
        type=object,
        primitives=list,
        primitive_poses=list,
        meshes=list,
        mesh_poses=list,
        planes=list,
        plane_poses=list,
        subframe_names=list,
        subframe_poses=list,
        operation=bytes,
    )
    packages = {
        "people_msgs": dict(Person=message("Person", **texts), People=message("People", header=Header, people=list)),
        "moveit_msgs": dict(CollisionObject=collision),
        "shape_msgs": dict(SolidPrimitive=solid),
    }
    for package, kinds in packages.items():
        for name in (package, f"{package}.msg"):
            module = ModuleType(name)
            vars(module).update(kinds if name.endswith(".msg") else {})
            monkeypatch.setitem(sys.modules, name, module)


def test_people_msgs(people, installed):
    node = FakeNode("people")
    Obstacles(node, small_body().arrays).publish(people, STAMP_NS, "map")
    ((topic, message),) = node.sent
    assert topic == "people" and [each.name for each in message.people] == ["1", "2"]
    place = message.people[0].position
    np.testing.assert_allclose([place.x, place.y, place.z], people[0].joints[0])
    assert message.people[1].reliability == pytest.approx(0.9) and message.header.frame_id == "map"


def test_collision_objects_come_and_go(people, installed):
    node = FakeNode("collision_object")
    made = Obstacles(node, small_body().arrays)
    made.publish(people, STAMP_NS, "map")
    made.publish(people[1:], STAMP_NS, "map")
    sent = [message for _, message in node.sent]
    assert [(each.id, each.operation) for each in sent] == [
        ("human_1", b"\0"),
        ("human_2", b"\0"),
        ("human_2", b"\0"),
        ("human_1", b"\1"),
    ]
    first = sent[0]
    assert len(first.primitives) == len(first.primitive_poses) >= 56
    kinds = np.array([each.type for each in first.primitives])
    assert {2, 3} == set(kinds) and all(len(each.dimensions) == each.type - 1 for each in first.primitives)
    # A cylinder's axis leads from one of its balls to the other.
    at = next(index for index, kind in enumerate(kinds) if kind == 3)
    places = [np.array([p.position.x, p.position.y, p.position.z]) for p in first.primitive_poses[at - 2 : at + 1]]
    np.testing.assert_allclose(places[2], (places[0] + places[1]) / 2, atol=1e-6)
    from scipy.spatial.transform import Rotation

    turn = first.primitive_poses[at].orientation
    axis = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).apply([0, 0, 1])
    along = places[1] - places[0]
    np.testing.assert_allclose(axis, along / np.linalg.norm(along), atol=1e-6)
    assert first.primitives[at].dimensions[0] == pytest.approx(np.linalg.norm(along), abs=1e-6)


def test_packages_that_are_not_there_are_no_fault():
    assert obstacles.installed("no_such_msgs", "People") is None


def test_the_node_publishes_them_when_it_is_told_to(bench):
    from node_fakes import stamp_of
    from sensor_msgs.msg import PointCloud2

    bench.start(fake_model(people=2), obstacles=True)
    clouds = bench.listen(PointCloud2, "/human/capsules")
    bench.connected("/human/capsules")
    bench.camera(STAMP_NS)
    message = bench.wait(lambda: clouds and clouds[-1], "capsules")
    assert message.header.stamp == stamp_of(STAMP_NS) and message.header.frame_id == "camera_optical"
    assert set(read(message)["id"]) == {1, 2}
    bench.within_spin(bench.node.trigger_deactivate)
    bench.wait(lambda: clouds[-1].width == 0, "nobody")  # nothing stale stays


def test_by_default_it_does_not(bench):
    bench.start(fake_model())
    assert not {each.topic_name for each in bench.node.publishers} & {"/human/capsules", "/human/obstacles", "/people"}


def test_once_all_cameras_have_stopped_planners_and_hri_are_told_once_that_nobody_is_there(bench, monkeypatch):
    from sensor_msgs.msg import PointCloud2

    from refit_ros.node import absence

    monkeypatch.setattr(absence, "GONE_S", 0.2)
    clouds = bench.listen(PointCloud2, "/human/obstacles")
    bench.start(fake_model(people=1), obstacles=True, hri=True, camera_timeout_s=0.1)
    bench.connected("/human/obstacles")
    from diagnostic_msgs.msg import DiagnosticArray

    looks = bench.listen(DiagnosticArray, "/diagnostics")
    for number in (1, 2):
        bench.camera(STAMP_NS + number * 100_000_000)
        bench.wait(lambda number=number: sum(cloud.width > 0 for cloud in clouds) == number, "somebody")
        bench.wait(lambda number=number: sum(cloud.width == 0 for cloud in clouds) == number, "nobody")
        assert not any("/bodies/h1/" in each.topic_name for each in bench.node.publishers)
        looks.clear()
        bench.wait(lambda: len(looks) >= 2, "the node to look again")
    assert [cloud.width > 0 for cloud in clouds] == [True, False, True, False], "once each time"
    assert clouds[-1].header == clouds[-2].header

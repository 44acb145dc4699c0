"""What is said where hri_msgs is of another version, or where another node publishes people by REP 155 too."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import fake_model, small_body  # noqa: E402
from test_humans import STAMP_NS, FakeNode  # noqa: E402

from refit_ros.node.hri_types import FIELDS, IDS, POINT, ROI, SKELETON, hri_types  # noqa: E402
from refit_ros.node.humans import Humans  # noqa: E402
from refit_ros.node.message_types import RosTypes  # noqa: E402


def message(name: str, fields) -> type:
    return type(name, (), {"__init__": lambda self: None, **dict.fromkeys(fields)})


@pytest.fixture
def install(monkeypatch):
    """Puts an hri_msgs of these messages in place of the package, which is not installed here."""

    def put(fields: dict[str, tuple[str, ...]]) -> None:
        for name in ("hri_msgs", "hri_msgs.msg"):
            module = ModuleType(name)
            if name.endswith(".msg"):
                vars(module).update({kind: message(kind, each) for kind, each in fields.items()})
            monkeypatch.setitem(sys.modules, name, module)

    return put


def test_of_the_version_that_is_known_nothing_is_said(install):
    install(FIELDS)
    found, lacking = hri_types()
    assert set(found) == {IDS, ROI, SKELETON} and not lacking


@pytest.mark.parametrize(
    "change, usable, told",
    [
        ({ROI: None}, {IDS, SKELETON}, f"has no {ROI} with the fields of version 2: roi"),
        ({ROI: ("header", "x_offset", "y_offset", "width", "height")}, {IDS, SKELETON}, f"has no {ROI}"),
        ({POINT: None}, {IDS, ROI}, f"has no {SKELETON} with"),
        ({IDS: ("ids",), SKELETON: None}, {ROI}, f"has no {IDS}, {SKELETON} .* tracked, skeleton2d of people"),
    ],
)
def test_of_an_older_version_what_fits_is_used_and_the_rest_is_told(install, change, usable, told):
    fields = {name: each for name, each in {**FIELDS, **change}.items() if each is not None}
    install(fields)
    found, lacking = hri_types()
    assert set(found) == usable
    assert re.search(told, lacking)


def test_a_node_with_an_old_version_goes_on(install):
    install({IDS: FIELDS[IDS]})
    node = FakeNode("tracked", "roi", "joint_states")
    humans = Humans(node, small_body().arrays, RosTypes())
    assert len(node.warned) == 1 and f"has no {ROI}, {SKELETON}" in node.warned[0]
    people = fake_model(people=1).estimator.people
    humans._types = OnlyIds(humans._types)
    humans.publish(tuple(people), (), STAMP_NS)
    assert {topic.rsplit("/", 1)[1] for topic, _ in node.sent} == {"tracked", "joint_states", "urdf"}


class OnlyIds:
    """Makes the standard's lists here; all else is the node's own."""

    def __init__(self, others) -> None:
        self._others = others

    def new(self, kind: str):
        from std_msgs.msg import Header

        if kind != "hri_msgs/msg/IdsList":
            return self._others.new(kind)
        made = message("IdsList", FIELDS[IDS])()
        made.header = Header()
        return made


def test_another_publisher_of_people_is_told_once(install):
    install(FIELDS)
    node = FakeNode()
    humans = Humans(node, small_body().arrays, RosTypes())
    people = tuple(fake_model(people=2).estimator.people)
    humans.publish(people[:1], (), STAMP_NS)
    assert not node.warned
    node.count_publishers = lambda topic: 2 if topic == "/humans/bodies/tracked" else 1
    humans.publish(people, (), STAMP_NS)
    humans.publish((), (), STAMP_NS)
    humans.publish(people, (), STAMP_NS)
    assert len(node.warned) == 1 and "ROS_DOMAIN_ID" in node.warned[0]

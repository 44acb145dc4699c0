"""Transforms from others: each by itself, over a clock that the test moves."""

from __future__ import annotations

import pytest
from node_fakes import stamp_of

from refit_ros.node.rejections import Rejections

pytest.importorskip("tf2_msgs", reason="tf2_msgs is not installed")
START_NS = 1_700_000_000 * 10**9


class Rig:
    def __init__(self, ours=(), buffer: bool = True) -> None:
        from refit_ros.node.compat import tf2_ros
        from refit_ros.node.tf_intake import TransformIntake

        self.said, self.now_s = [], 0.0
        self.rejections = Rejections(self.said.append, lambda: self.now_s)
        self.buffer = tf2_ros.Buffer() if buffer else None
        self.intake = TransformIntake(
            self.buffer, self.rejections, "robot/human_", lambda stamp: stamp in ours, lambda: self.now_s
        )

    def send(self, *transforms) -> None:
        from rclpy.serialization import serialize_message
        from tf2_msgs.msg import TFMessage

        self.intake.take_raw(serialize_message(TFMessage(transforms=list(transforms))))

    def x_at(self, stamp_ns: int, child: str = "camera") -> float | None:
        from rclpy.time import Time

        from refit_ros.node.compat import tf2_ros

        try:
            return self.buffer.lookup_transform("map", child, Time(nanoseconds=stamp_ns)).transform.translation.x
        except tf2_ros.TransformException:
            return None


def transform(stamp_ns: int = START_NS, x: float = 0.0, child: str = "camera", parent: str = "map", w: float = 1.0):
    from geometry_msgs.msg import TransformStamped

    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, stamp_of(stamp_ns)
    message.transform.translation.x, message.transform.rotation.w = float(x), float(w)
    return message


BAD = {
    "bad stamp": dict(stamp_ns=-1),
    "bad frame name": dict(child="/"),
    "bad transform": dict(x=float("nan")),
}
WORSE = [
    dict(stamp_ns=-(2**31) * 10**9),
    dict(child=""),
    dict(child="map"),
    dict(child="c" * 100_000),
    dict(parent=""),
    dict(x=float("inf")),
    dict(x=1e300),
    dict(w=0.0),
    dict(w=float("nan")),
    dict(w=2.0),
]


@pytest.mark.parametrize("fields", [*BAD.values(), *WORSE], ids=lambda fields: str(fields)[:40])
def test_a_bad_transform_takes_no_other_with_it(fields):
    rig = Rig()
    rig.send(transform(child="before"), transform(**fields), transform(child="after"))
    assert rig.x_at(START_NS, "before") == rig.x_at(START_NS, "after") == 0.0
    assert rig.rejections.total == 1 and len(rig.said) == 1 and len(rig.said[0]) < 260


@pytest.mark.parametrize("parent", ["map", "a", "", "odom_combined"])
def test_a_camera_s_transform_with_the_stamp_of_its_image_is_not_taken_for_this_node_s_own(parent):
    """A bag that is played again brings stamps of which this node has published people already."""
    rig = Rig(ours=[START_NS])
    rig.send(transform(x=2.0))
    assert rig.x_at(START_NS) == 2.0 and rig.intake.used == 1
    rig.send(transform(child="robot/human_3/pelvis", parent=parent or "map"))
    assert rig.intake.came == 1 and not rig.said, "what came back is not even read"


def test_frames_of_people_who_have_gone_are_forgotten_and_the_camera_s_are_not():
    rig = Rig()
    for person in range(300):  # each of 24 frames, for 10 s: more than may be known at once
        rig.now_s = 10.0 * person
        stamp_ns = START_NS + person * 10 * 10**9
        rig.send(transform(stamp_ns, x=1.0), transform(stamp_ns, child="arm", parent="base"))
        rig.send(*(transform(stamp_ns, child=f"other/human_{person}/{joint}") for joint in range(24)))
    assert not rig.said and len(rig.intake._frames) < 700
    assert rig.x_at(stamp_ns) == 1.0 and rig.x_at(stamp_ns, "other/human_299/3") == 0.0
    assert rig.x_at(START_NS, "other/human_0/3") is None


def test_a_thousand_bad_ones_are_told_once_a_second_and_counted():
    rig = Rig()
    for tick in range(1000):
        rig.now_s = tick / 1000
        rig.send(transform(stamp_ns=-(10**9)))
    assert rig.rejections.of("/tf") == {"bad stamp": 1000} and len(rig.said) == 1


def test_bytes_that_are_no_message_are_counted():
    rig = Rig()
    for data in (b"", b"\0", b"\0\1\0\0\xff\xff\xff\xff", b"\0\1\0\0\1\0\0\0" + b"\xff" * 60):
        rig.intake.take_raw(data)
    assert rig.rejections.total + rig.intake.came >= 3


@pytest.mark.parametrize("back_s", [5, 3600])
def test_a_bag_played_again_without_a_clock_is_followed_in_the_second_round_too(back_s):
    rig = Rig()
    for round_ in range(3):
        found = []
        for tick in range(30):
            rig.now_s += 0.1
            stamp_ns = START_NS + tick * 10**8 + (2 - round_) * back_s * 10**9
            rig.send(transform(stamp_ns, x=round_, child="camera"), transform(stamp_ns, x=round_, child="lidar"))
            found.append((rig.x_at(stamp_ns), rig.x_at(stamp_ns, "lidar")))
        assert found[3:] == [(round_, round_)] * 27


def test_one_stamp_far_ahead_does_not_make_all_others_too_old():
    rig = Rig()
    for tick in range(30):
        rig.now_s += 0.1
        stamp_ns = START_NS + tick * 10**8
        rig.send(transform(stamp_ns + (5 * 365 * 86400 * 10**9 if tick == 10 else 0)))
        assert (rig.x_at(stamp_ns) is None) == (tick == 10)


def test_static_transforms_hold_whatever_their_stamp():
    rig = Rig()
    from tf2_msgs.msg import TFMessage

    rig.intake.take_static(TFMessage(transforms=[transform(-5 * 10**9, x=3, parent="/map", child="/camera")]))
    assert rig.x_at(START_NS) == 3.0 and "slash" in rig.said[0]


def test_frames_from_outside_take_no_memory_without_end(monkeypatch):
    from refit_ros.node import tf_intake

    monkeypatch.setattr(tf_intake, "MOST_FRAMES", 50)
    rig = Rig()
    for number in range(200):
        rig.send(transform(child=f"frame{number}"))
    assert rig.rejections.of("/tf") == {"too many frames": 150}


@pytest.mark.parametrize("buffer", [True, False])
def test_who_else_publishes_this_nodes_frames_is_told_once(buffer):
    rig = Rig(ours=[START_NS], buffer=buffer)
    rig.send(transform(child="robot/human_1/pelvis"))  # this node's own
    rig.send(transform(START_NS + 1, child="other/human_1/pelvis"))  # another's, under another name
    assert not rig.said
    for tick in range(3):
        rig.send(transform(START_NS + 2 + tick, child="robot/human_1/pelvis", parent="odom"))
    assert len(rig.said) == 1 and "'robot/human_1/pelvis'" in rig.said[0] and "tf_prefix" in rig.said[0]


def test_a_frame_that_became_static_is_not_taken_back_to_where_it_moved():
    """As where a joint is fixed from now on: then another frame's clock is set back, and what is good is given anew."""
    from tf2_msgs.msg import TFMessage

    rig, second_ns = Rig(), 10**9
    rig.send(transform(START_NS, 1.0), transform(START_NS, child="arm"))
    rig.intake.take_static(TFMessage(transforms=[transform(0, 2.0)]))
    for turn in range(3):
        rig.send(transform(START_NS - 3600 * second_ns + turn, child="arm"))
    assert rig.x_at(START_NS - 3600 * second_ns + 2, "arm") is not None
    assert rig.x_at(START_NS + 60 * second_ns) == 2.0

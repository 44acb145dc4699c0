import math
import threading
import time

import numpy as np
import pytest

PACKAGE = "tf2_ros"


@pytest.fixture
def tf(compat_module):
    return compat_module


def at(time_s: float):
    from rclpy.time import Time

    return Time(nanoseconds=round(time_s * 1e9))


def transform(parent: str, child: str, time_s: float, x=0.0, y=0.0, z=0.0, yaw: float = 0.0):
    from geometry_msgs.msg import TransformStamped

    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = at(time_s).to_msg()
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = float(x), float(y), float(z)
    turn.z, turn.w = math.sin(yaw / 2), math.cos(yaw / 2)
    return message


def place_of(message) -> list[float]:
    place = message.transform.translation
    return [place.x, place.y, place.z]


def yaw_of(message) -> float:
    return 2 * math.atan2(message.transform.rotation.z, message.transform.rotation.w)


def test_a_transform_carries_points_of_the_source_into_the_target(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0, x=2, yaw=math.pi / 2), "test")
    there = buffer.lookup_transform("map", "robot", at(1.0))
    assert (there.header.frame_id, there.child_frame_id) == ("map", "robot")
    assert there.header.stamp.sec == 1
    assert place_of(there) == pytest.approx([2, 0, 0]) and yaw_of(there) == pytest.approx(math.pi / 2)
    back = buffer.lookup_transform("robot", "map", at(1.0))
    assert place_of(back) == pytest.approx([0, 2, 0], abs=1e-12) and yaw_of(back) == pytest.approx(-math.pi / 2)


def test_chains_go_up_and_down_the_tree(tf):
    buffer = tf.Buffer()
    buffer.set_transform_static(transform("robot", "left", 0.0, y=1, yaw=math.pi), "test")
    buffer.set_transform_static(transform("robot", "right", 0.0, y=-1), "test")
    buffer.set_transform(transform("map", "robot", 1.0, x=5), "test")
    across = buffer.lookup_transform("left", "right", at(0))
    assert place_of(across) == pytest.approx([0, 2, 0], abs=1e-9) and abs(yaw_of(across)) == pytest.approx(math.pi)
    assert place_of(buffer.lookup_transform("map", "right", at(1.0))) == pytest.approx([5, -1, 0])


def test_random_chain_agrees_with_matrices(tf):
    from scipy.spatial.transform import Rotation

    chance = np.random.default_rng(3)
    buffer = tf.Buffer()
    product = np.eye(4)
    for parent, child in zip("abcd", "bcde"):
        rotation, place = Rotation.random(random_state=chance), chance.normal(size=3)
        message = transform(parent, child, 1.0, *place)
        turn = message.transform.rotation
        turn.x, turn.y, turn.z, turn.w = map(float, rotation.as_quat())
        buffer.set_transform(message, "test")
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation.as_matrix(), place
        product = product @ matrix
    for target, source, expected in (("a", "e", product), ("e", "a", np.linalg.inv(product))):
        found = buffer.lookup_transform(target, source, at(1.0))
        turn = found.transform.rotation
        assert Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix() == pytest.approx(expected[:3, :3], abs=1e-9)
        assert place_of(found) == pytest.approx(expected[:3, 3], abs=1e-9)


def test_between_two_times_it_is_interpolated(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0, x=0, yaw=0.0), "test")
    buffer.set_transform(transform("map", "robot", 2.0, x=4, yaw=1.0), "test")
    quarter = buffer.lookup_transform("map", "robot", at(1.25))
    assert place_of(quarter) == pytest.approx([1, 0, 0]) and yaw_of(quarter) == pytest.approx(0.25)
    assert (quarter.header.stamp.sec, quarter.header.stamp.nanosec) == (1, 250_000_000)


def test_interpolation_takes_the_shorter_arc(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0, yaw=0.9 * math.pi), "test")
    flipped = transform("map", "robot", 2.0, yaw=1.1 * math.pi)
    turn = flipped.transform.rotation
    turn.z, turn.w = -turn.z, -turn.w  # the same rotation
    buffer.set_transform(flipped, "test")
    assert math.cos(yaw_of(buffer.lookup_transform("map", "robot", at(1.5)))) == pytest.approx(-1)


def test_messages_may_come_out_of_order(tf):
    buffer = tf.Buffer()
    for time_s in (3.0, 1.0, 2.0):
        buffer.set_transform(transform("map", "robot", time_s, x=time_s), "test")
    for time_s in (1.0, 1.5, 2.0, 2.9):
        assert place_of(buffer.lookup_transform("map", "robot", at(time_s)))[0] == pytest.approx(time_s)


def test_time_zero_is_the_newest_common_time(tf):
    buffer = tf.Buffer()
    for time_s in (1.0, 2.0):
        buffer.set_transform(transform("map", "robot", time_s, x=time_s), "test")
    buffer.set_transform(transform("robot", "arm", 1.0), "test")
    buffer.set_transform(transform("robot", "arm", 1.5), "test")
    newest = buffer.lookup_transform("map", "arm", at(0))
    assert place_of(newest)[0] == pytest.approx(1.5)
    assert (newest.header.stamp.sec, newest.header.stamp.nanosec) == (1, 500_000_000)


def test_static_transforms_hold_at_any_time(tf):
    buffer = tf.Buffer()
    buffer.set_transform_static(transform("map", "camera", 5.0, x=3), "test")
    for time_s in (0.0, 1.0, 1e6):
        assert place_of(buffer.lookup_transform("map", "camera", at(time_s))) == [3, 0, 0]


def test_each_way_of_failing_has_its_own_exception(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0), "test")
    buffer.set_transform(transform("map", "robot", 2.0), "test")
    buffer.set_transform(transform("elsewhere", "other", 1.0), "test")
    with pytest.raises(tf.LookupException):
        buffer.lookup_transform("map", "nobody", at(1.0))
    with pytest.raises(tf.ConnectivityException):
        buffer.lookup_transform("map", "other", at(1.0))
    for time_s in (0.5, 2.5):
        with pytest.raises(tf.ExtrapolationException):
            buffer.lookup_transform("map", "robot", at(time_s))
    with pytest.raises(tf.InvalidArgumentException):
        buffer.lookup_transform("", "robot", at(1.0))
    for name in ("LookupException", "ConnectivityException", "ExtrapolationException", "InvalidArgumentException"):
        assert issubclass(getattr(tf, name), tf.TransformException)


def test_one_single_transform_does_not_hold_at_other_times(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0), "test")
    with pytest.raises(tf.ExtrapolationException):
        buffer.lookup_transform("map", "robot", at(1.1))


def test_what_is_older_than_the_cache_is_gone(tf):
    from rclpy.duration import Duration

    buffer = tf.Buffer(cache_time=Duration(seconds=2))
    for time_s in (1.0, 2.0, 10.0, 10.1):  # tf2 clears up as the next transform comes in
        buffer.set_transform(transform("map", "robot", time_s), "test")
    with pytest.raises(tf.ExtrapolationException):
        buffer.lookup_transform("map", "robot", at(2.0))


def test_numbers_that_are_no_transform_are_not_taken(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0, x=1), "test")
    no_rotation = transform("map", "robot", 2.0)
    no_rotation.transform.rotation.w = 0.0
    for bad in (transform("map", "robot", 2.0, x=math.nan), no_rotation, transform("map", "map", 2.0)):
        buffer.set_transform(bad, "test")
    assert place_of(buffer.lookup_transform("map", "robot", at(0))) == [1, 0, 0]


def test_clear_forgets_what_moves(tf):
    buffer = tf.Buffer()
    buffer.set_transform(transform("map", "robot", 1.0), "test")
    buffer.set_transform_static(transform("robot", "camera", 1.0), "test")
    buffer.clear()
    assert not buffer.can_transform("map", "robot", at(1.0))
    assert buffer.can_transform("robot", "camera", at(1.0))


def test_can_transform_says_what_a_lookup_would(tf):
    buffer = tf.Buffer()
    assert not buffer.can_transform("map", "robot", at(0))  # tf2 says 0 and 1
    buffer.set_transform(transform("map", "robot", 1.0), "test")
    assert buffer.can_transform("map", "robot", at(0))


def test_a_lookup_waits_for_what_comes_within_its_timeout(tf, node):
    from rclpy.duration import Duration

    buffer = tf.Buffer(node=node)
    late = threading.Timer(0.2, lambda: buffer.set_transform(transform("map", "robot", 1.0, x=7), "test"))
    late.start()
    found = buffer.lookup_transform("map", "robot", at(1.0), timeout=Duration(seconds=10))
    late.join()
    assert place_of(found) == [7, 0, 0]
    with pytest.raises(tf.TransformException):
        buffer.lookup_transform("map", "robot", at(2.0), timeout=Duration(seconds=0.05))


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
def test_a_waiting_lookup_ends_when_ros_is_shut_down(tf, node, ros_context):
    """The stand-in alone, which counts the timeout on a steady clock."""
    import rclpy
    from rclpy.duration import Duration

    buffer = tf.Buffer(node=node)
    begun = time.monotonic()
    threading.Timer(0.1, lambda: rclpy.try_shutdown(context=ros_context)).start()
    with pytest.raises(tf.TransformException):
        buffer.lookup_transform("map", "robot", at(1.0), timeout=Duration(seconds=60))
    assert time.monotonic() - begun < 30


def test_broadcasters_reach_a_listener(tf, node, spin_until):
    buffer = tf.Buffer(node=node)
    static = tf.StaticTransformBroadcaster(node)
    static.sendTransform(transform("robot", "left", 0.0, y=1))
    static.sendTransform([transform("robot", "right", 0.0, y=-1)])
    tf.TransformListener(buffer, node)  # comes late for the static ones
    moving = tf.TransformBroadcaster(node)
    spin_until(lambda: node.count_publishers("/tf") == 1 and node.count_subscribers("/tf") == 1)

    def everything_came() -> bool:
        moving.sendTransform([transform("map", "robot", 1.0, x=1), transform("map", "person", 1.0, x=4)])
        return buffer.can_transform("left", "right", at(0)) and buffer.can_transform("left", "person", at(1.0))

    spin_until(everything_came)
    assert place_of(buffer.lookup_transform("left", "person", at(1.0))) == pytest.approx([3, -1, 0])


def test_the_listener_lets_go(tf, node, spin_until):
    listener = tf.TransformListener(tf.Buffer(node=node), node)
    assert node.count_subscribers("/tf") == 1
    listener.unregister()
    spin_until(lambda: node.count_subscribers("/tf") == 0 and node.count_subscribers("/tf_static") == 0)


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
def test_a_simulated_clock_that_goes_back_clears_the_buffer(tf, ros_context, spin_until):
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from rclpy.time import Time

    simulated = Node("simulated", context=ros_context, parameter_overrides=[Parameter("use_sim_time", value=True)])
    buffer = tf.Buffer(node=simulated)
    clock = simulated.get_clock()
    clock.set_ros_time_override(Time(seconds=100, clock_type=clock.clock_type))
    buffer.set_transform(transform("map", "robot", 99.0), "test")
    clock.set_ros_time_override(Time(seconds=101, clock_type=clock.clock_type))
    assert buffer.can_transform("map", "robot", at(99.0))
    clock.set_ros_time_override(Time(seconds=5, clock_type=clock.clock_type))
    assert not buffer.can_transform("map", "robot", at(99.0))
    simulated.destroy_node()

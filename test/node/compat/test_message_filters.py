from types import SimpleNamespace

import pytest

PACKAGE = "message_filters"


@pytest.fixture
def filters(compat_module):
    return compat_module


def message(stamp_s: float, name: str = ""):
    from rclpy.time import Time
    from std_msgs.msg import Header

    stamp = Time(nanoseconds=round(stamp_s * 1e9)).to_msg()
    return SimpleNamespace(header=Header(stamp=stamp, frame_id=name), stamp_s=stamp_s)


def synchronizer(filters, count: int, queue_size: int = 5, slop: float = 0.02):
    sources = [filters.SimpleFilter() for _ in range(count)]
    sets = []
    joined = filters.ApproximateTimeSynchronizer(sources, queue_size, slop)
    joined.registerCallback(lambda *messages: sets.append(tuple(m.stamp_s for m in messages)))
    return sources, sets, joined


def test_emits_one_message_of_each_source_in_their_order(filters):
    (left, right), sets, _ = synchronizer(filters, 2)
    right.signalMessage(message(1.001))
    assert sets == []
    left.signalMessage(message(1.0))
    assert sets == [(1.0, 1.001)]


def test_three_sources_must_all_lie_within_the_slop_of_each_other(filters):
    (a, b, c), sets, _ = synchronizer(filters, 3)
    a.signalMessage(message(1.000))
    b.signalMessage(message(0.985))
    c.signalMessage(message(1.015))  # near a, too far from b
    assert sets == []
    b.signalMessage(message(1.005))
    assert sets == [(1.0, 1.005, 1.015)]


def test_what_lies_the_slop_apart_is_not_a_set(filters):
    (left, right), sets, _ = synchronizer(filters, 2, slop=0.02)
    left.signalMessage(message(1.0))
    right.signalMessage(message(1.02))
    assert sets == []


def test_the_nearest_stamp_is_taken(filters):
    (left, right), sets, _ = synchronizer(filters, 2)
    left.signalMessage(message(1.0))
    left.signalMessage(message(1.01))
    right.signalMessage(message(1.012))
    assert sets == [(1.01, 1.012)]


def test_no_message_is_used_twice(filters):
    (left, right), sets, _ = synchronizer(filters, 2)
    left.signalMessage(message(1.0))
    right.signalMessage(message(1.001))
    right.signalMessage(message(1.002))
    assert sets == [(1.0, 1.001)]


def test_a_full_queue_loses_its_oldest(filters):
    (left, right), sets, _ = synchronizer(filters, 2, queue_size=2)
    for stamp_s in (1.0, 2.0, 3.0):
        left.signalMessage(message(stamp_s))
    right.signalMessage(message(1.0))
    assert sets == []
    right.signalMessage(message(2.0))
    assert sets == [(2.0, 2.0)]


def test_several_callbacks_and_their_arguments(filters):
    (left, right), _, joined = synchronizer(filters, 2)
    calls = []
    joined.registerCallback(lambda *arguments: calls.append(arguments[2:]), "more", 7)
    left.signalMessage(message(1.0))
    right.signalMessage(message(1.0))
    assert calls == [("more", 7)]


def test_a_message_without_a_header_is_left_out(filters):
    (left, right), sets, _ = synchronizer(filters, 2)
    left.signalMessage(SimpleNamespace(stamp_s=1.0))
    right.signalMessage(message(1.0))
    assert sets == []


def test_subscriber_feeds_the_synchronizer(filters, node, spin_until):
    from rclpy.time import Time
    from sensor_msgs.msg import CameraInfo

    subscribers = [filters.Subscriber(node, CameraInfo, f"/{name}", qos_profile=10) for name in ("left", "right")]
    sets = []
    joined = filters.ApproximateTimeSynchronizer(subscribers, 5, 0.01)
    joined.registerCallback(lambda *messages: sets.append([m.width for m in messages]))
    publishers = [node.create_publisher(CameraInfo, f"/{name}", 10) for name in ("left", "right")]
    spin_until(lambda: all(p.get_subscription_count() == 1 for p in publishers))
    for width, publisher in zip((640, 1280), publishers):
        info = CameraInfo(width=width)
        info.header.stamp = Time(seconds=5).to_msg()
        publisher.publish(info)
    spin_until(lambda: sets)
    assert sets == [[640, 1280]]
    assert [s.getTopic() for s in subscribers] == ["/left", "/right"]


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
def test_a_callback_that_raises_does_not_stop_the_next_set(filters):
    """The stand-in alone: the real one keeps its lock."""
    (left, right), sets, joined = synchronizer(filters, 2)

    def fail(*_messages):
        raise RuntimeError("on purpose")

    joined.registerCallback(fail)
    left.signalMessage(message(1.0))
    with pytest.raises(RuntimeError):
        right.signalMessage(message(1.0))
    left.signalMessage(message(2.0))
    with pytest.raises(RuntimeError):
        right.signalMessage(message(2.0))
    assert sets == [(1.0, 1.0), (2.0, 2.0)]


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
def test_a_clock_that_jumps_backwards_does_not_stop_the_matching(filters):
    """The stand-in alone: the real one throws the new, smaller stamps away."""
    (left, right), sets, _ = synchronizer(filters, 2, queue_size=2)
    for stamp_s in (100.0, 100.1, 100.2):
        left.signalMessage(message(stamp_s))
    for stamp_s in (1.0, 1.1, 1.2):
        left.signalMessage(message(stamp_s))
        right.signalMessage(message(stamp_s))
    assert sets == [(1.0, 1.0), (1.1, 1.1), (1.2, 1.2)]

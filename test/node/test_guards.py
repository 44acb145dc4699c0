"""Guards of the node that stand in docs/reliability.md, which says of each whether its test was seen to fail without it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from node_fakes import fake_model, image_message, info_message, stamp_of

STAMP_NS = 1_700_000_000_123_456_789


def seen_calibration(bench, stamp_ns: int, info):
    bench.publish("/camera/camera_info", info)
    wanted = info.width if not info.roi.width else info.roi.width, info.height if not info.roi.height else info.roi.height
    before = len(bench.model.estimator.seen)
    bench.wait(lambda: bench.node._intake.calibrations["camera"] > seen_calibration.count, "the calibration")
    seen_calibration.count = bench.node._intake.calibrations["camera"]
    bench.publish("/camera/image_raw", image_message(stamp_ns, *wanted))
    bench.wait(lambda: len(bench.model.estimator.seen) > before, "a set")
    return bench.model.estimator.seen[-1][0].calibration


def test_a_camera_that_changes_its_resolution_its_intrinsics_or_its_roi_is_followed(bench):
    bench.start(fake_model())
    seen_calibration.count = 0
    first = seen_calibration(bench, STAMP_NS, info_message(STAMP_NS))
    larger = seen_calibration(bench, STAMP_NS + 10**8, info_message(STAMP_NS, width=128, height=96, focal_px=120.0))
    zoomed = seen_calibration(bench, STAMP_NS + 2 * 10**8, info_message(STAMP_NS, width=128, height=96, focal_px=200.0))
    part = info_message(STAMP_NS, width=128, height=96, focal_px=200.0)
    part.roi.x_offset, part.roi.y_offset, part.roi.width, part.roi.height = 20, 10, 64, 48
    cut = seen_calibration(bench, STAMP_NS + 3 * 10**8, part)
    assert [(each.width_px, each.K[0, 0], each.K[0, 2], each.K[1, 2]) for each in (first, larger, zoomed, cut)] == [
        (64, 60, 32, 24),
        (128, 120, 64, 48),
        (128, 200, 64, 48),
        (64, 200, 44, 38),
    ]


def test_services_and_timers_are_closed_while_inactive(bench):
    bench.start(fake_model(), activate=False)
    node = bench.node
    bench.within_spin(node.trigger_configure)

    def open_things():
        return len(list(node.services)), len(list(node.timers)), len(list(node.subscriptions)), len(list(node.publishers))

    inactive = open_things()
    bench.within_spin(node.trigger_activate)
    active = open_things()
    assert all(more > less for more, less in zip(active, inactive))
    bench.within_spin(node.trigger_deactivate)
    assert open_things() == inactive


def test_a_hundred_lifecycles_leave_nothing_behind(ros_context):
    # In a process of its own: the memory of one that ran other tests grows and shrinks by what those left to the allocator.
    pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    program = Path(__file__).with_name("lifecycles.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    early, late = json.loads(done.stdout.splitlines()[-1])
    assert all(late[what] <= early[what] + 2 for what in ("threads", "files", "things")), (early, late)
    assert late["rss_mib"] < early["rss_mib"] + 20, (early, late)


def test_a_network_that_was_cleaned_up_is_gone_at_once(bench):
    from rclpy.lifecycle import TransitionCallbackReturn

    networks = []

    def load(*_):
        model = fake_model()
        model.estimator.ring = model.estimator  # as a recording and its owner hold each other
        networks.append(weakref.ref(model.estimator))
        return model

    bench.start(load=load, activate=False)
    assert bench.within_spin(bench.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
    gc.disable()
    try:
        assert bench.within_spin(bench.node.trigger_cleanup) == TransitionCallbackReturn.SUCCESS
        assert networks and not any(network() for network in networks)
    finally:
        gc.enable()


def test_fifty_people_go_through_the_node(bench):
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage
    from visualization_msgs.msg import MarkerArray

    messages, tf = bench.listen(SmplArray, "/human/smpl"), bench.listen(TFMessage, "/tf")
    markers = bench.listen(MarkerArray, "/human/markers")
    bench.start(fake_model(people=50), publish_mesh=True)
    bench.connected("/human/smpl", "/tf", "/human/markers")
    bench.camera(STAMP_NS)
    assert [person.id for person in bench.wait(lambda: messages, "a message")[0].people] == list(range(1, 51))
    assert len(bench.wait(lambda: tf, "transforms")[0].transforms) == 50 * 24
    assert len(bench.wait(lambda: markers, "markers")[0].markers) == 50 * 3


@pytest.mark.parametrize("ahead_s", [0, 3600])
def test_latency_is_never_negative(bench, ahead_s):
    from rclpy.time import Time
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    bench.camera(bench.node.get_clock().now().nanoseconds + ahead_s * 10**9)  # a camera's clock ahead of this machine's
    latency = bench.wait(lambda: messages, "a message")[0].latency
    assert latency.sec >= 0 and (ahead_s == 0 or (latency.sec, latency.nanosec) == (0, 0)) and isinstance(Time(), Time)


def test_a_step_that_contradicts_its_rows_is_refused_though_the_length_is_right():
    """16 x 12 rgb8 announced as 24 x 8 with its old step: as many bytes, and rows that overlap."""
    from refit_ros.node import images
    from refit_ros.node.rejections import Rejected

    message = image_message(STAMP_NS, 16, 12)
    message.width = 24
    with pytest.raises(Rejected) as refused:
        images.check_image(message)
    assert refused.value.reason == "wrong step"


def test_the_last_overlay_of_a_camera_that_has_gone_is_marked(bench):
    from sensor_msgs.msg import Image

    overlays = bench.listen(Image, "/human/camera/overlay")
    bench.start(fake_model(), camera_timeout_s=0.2)
    bench.connected("/human/camera/overlay")
    bench.camera(STAMP_NS, width=64)
    live = bench.wait(lambda: overlays, "an overlay")[0]
    stale = bench.wait(lambda: overlays[1:], "the mark")[0]
    assert stale.header.stamp == live.header.stamp == stamp_of(STAMP_NS)
    assert np.mean(stale.data) < 0.7 * np.mean(live.data)

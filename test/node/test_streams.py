"""What comes in: one camera and several, late, lost, compressed, with boxes; over real DDS topics."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from node_fakes import fake_model, stamp_of

STAMP_NS = 1_700_000_000_123_456_789


def duration_ns(duration) -> int:
    return duration.sec * 10**9 + duration.nanosec


def test_several_cameras_give_one_message_for_a_set(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map")
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    bench.camera(STAMP_NS, "left")  # goes alone: nothing is known of the other camera yet
    bench.wait(lambda: messages, "the first message")
    bench.camera(STAMP_NS + 40_000_000, "right")
    bench.wait(lambda: len(messages) == 2, "the second message")
    bench.camera(STAMP_NS + 100_000_000, "left")
    bench.camera(STAMP_NS + 107_000_000, "right")
    message = bench.wait(lambda: messages[2:], "a message for the set")[0]
    assert list(message.cameras) == ["left", "right"]
    assert message.header.stamp == stamp_of(STAMP_NS + 100_000_000)
    assert duration_ns(message.sync_spread) == 7_000_000
    assert [view.frame_id for view in message.people[0].views] == ["left_optical", "right_optical"]


def test_a_view_without_extrinsics_is_left_out_and_counted(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", sync_slop_s=0.1)
    bench.connected("/human/smpl")
    bench.stand("left_optical", np.eye(4), "map")
    for camera in ("left", "right"):
        bench.camera(STAMP_NS, camera)
    bench.wait(lambda: messages, "a message")
    bench.camera(STAMP_NS + 95_000_000, "right")
    bench.camera(STAMP_NS + 100_000_000, "left")
    bench.wait(lambda: messages[-1].header.stamp == stamp_of(STAMP_NS + 100_000_000), "the used image's stamp")
    assert list(messages[-1].cameras) == ["left"] and duration_ns(messages[-1].sync_spread) == 0
    assert len(messages[-1].people) == 1
    assert bench.node._rejections.of("right")["no extrinsics"] >= 1


def statuses(array) -> dict:
    return {status.name: status for status in array.status}


def test_cameras_out_of_step_and_without_extrinsics_are_diagnosed(bench):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from refit_ros.msg import SmplArray

    bench.listen(SmplArray, "/human/smpl")
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", sync_deadline_s=0.01, transform_wait_s=0.0)
    bench.connected("/human/smpl")
    bench.stand("left_optical", np.eye(4), "map")

    def told() -> bool:  # two cameras that never take an image at the same time, the left one last
        told.index += 1
        for camera, offset_ns in (("right", 0), ("left", 50_000_000)):
            before = bench.node._intake.images[camera]
            bench.camera(STAMP_NS + told.index * 100_000_000 + offset_ns, camera)
            bench.wait(lambda camera=camera, before=before: bench.node._intake.images[camera] > before, "the image")
        found = statuses(arrays[-1]) if arrays else {}
        return (
            bool(found)
            and found["/refit: camera right"].level == DiagnosticStatus.ERROR
            and "triggered together" in found["/refit: pipeline"].message
        )

    told.index = 0
    bench.wait(told, "both to be told")
    found = statuses(arrays[-1])
    assert "no transform" in found["/refit: camera right"].message
    assert found["/refit: pipeline"].level == DiagnosticStatus.WARN
    assert found["/refit: camera left"].level == DiagnosticStatus.OK


def test_the_latest_set_wins_and_what_it_replaced_is_counted(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    gate = threading.Event()
    bench.start(fake_model(gate=gate))
    bench.connected("/human/smpl")
    for index in range(6):
        bench.camera(STAMP_NS + index * 100_000_000)
        bench.wait(lambda index=index: bench.node._intake.images["camera"] == index + 1, "the image to arrive")
        if index == 0:
            bench.wait(lambda: bench.node._worker.mailbox._item is None, "the first set to be taken")
    gate.set()
    bench.wait(lambda: len(messages) == 2, "two messages")
    assert messages[0].header.stamp == stamp_of(STAMP_NS)
    assert messages[1].header.stamp == stamp_of(STAMP_NS + 500_000_000)
    assert bench.node._worker.mailbox.dropped == 4


def test_boxes_come_from_a_topic(bench):
    from refit_ros.msg import SmplArray

    from refit_ros.node.cameras import detection_type

    if detection_type().__name__ != "PolygonStamped":
        pytest.skip("vision_msgs is installed: its message is used instead")
    from geometry_msgs.msg import Point32, PolygonStamped

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), detector="topic", detection_wait_s=5.0)
    bench.connected("/human/smpl")
    boxes = PolygonStamped()
    boxes.header.stamp = stamp_of(STAMP_NS)
    boxes.polygon.points = [Point32(x=1.0, y=2.0, z=0.75), Point32(x=30.0, y=40.0)]
    bench.publish("/camera/detections", boxes)
    bench.camera(STAMP_NS)
    bench.wait(lambda: messages, "a message")
    assert bench.node._intake.used == {("camera", what): 1 for what in ("images", "calibrations", "boxes")}
    found = bench.model.estimator.seen[0][0].boxes
    np.testing.assert_allclose(found.xyxy_px, [[1, 2, 30, 40]])
    np.testing.assert_allclose(found.confidence, [0.75])


def test_boxes_come_from_vision_msgs_where_they_are_installed(bench):
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), detector="topic", detection_wait_s=5.0)
    bench.connected("/human/smpl")

    def detection(x, y, width, height, **scores):
        found = vision.Detection2D()
        found.bbox.center.position.x, found.bbox.center.position.y = x, y
        found.bbox.size_x, found.bbox.size_y = width, height
        for name, score in scores.items():
            result = vision.ObjectHypothesisWithPose()
            result.hypothesis.class_id, result.hypothesis.score = name, score
            found.results.append(result)
        return found

    detections = vision.Detection2DArray()
    detections.header.stamp = stamp_of(STAMP_NS)
    detections.detections = [
        detection(15.5, 21.0, 29.0, 38.0, person=0.75, dog=0.9),
        detection(30.0, 30.0, 9.0, 9.0, dog=0.9),
    ]
    bench.publish("/camera/detections", detections)
    bench.camera(STAMP_NS)
    bench.wait(lambda: messages, "a message")
    found = bench.model.estimator.seen[0][0].boxes
    np.testing.assert_allclose(found.xyxy_px, [[1, 2, 30, 40]])
    np.testing.assert_allclose(found.confidence, [0.75])


def test_compressed_images(bench):
    import cv2
    from node_fakes import info_message
    from refit_ros.msg import SmplArray
    from sensor_msgs.msg import CompressedImage

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), image_transport="compressed")
    bench.connected("/human/smpl")
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 2] = 200  # OpenCV's red
    message = CompressedImage(format="png", data=cv2.imencode(".png", image)[1].tobytes())
    message.header.stamp, message.header.frame_id = stamp_of(STAMP_NS), "camera_optical"
    bench.publish("/camera/camera_info", info_message(STAMP_NS))
    bench.publish("/camera/image_raw/compressed", message)
    bench.wait(lambda: messages, "a message")
    seen = bench.model.estimator.seen[0][0].image
    assert seen.shape == (48, 64, 3) and (seen == [200, 0, 0]).all()


def test_a_camera_is_lost_and_comes_back(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", camera_timeout_s=3.0, sync_deadline_s=0.5)
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    tick = 0

    def both(alive: tuple[str, ...], until: list[str]) -> None:
        """Image after image until a message is about these cameras."""
        nonlocal tick
        messages.clear()

        def one_more() -> bool:
            nonlocal tick
            tick, count = tick + 1, len(messages)
            for camera in alive:
                bench.camera(STAMP_NS + tick * 50_000_000, camera)
            bench.wait(lambda: len(messages) > count, "a message")
            return list(messages[-1].cameras) == until

        bench.wait(one_more, f"a message about {until}")

    both(("left", "right"), ["left", "right"])
    both(("left",), ["left"])
    bench.wait(lambda: bench.node._intake.builder.state("right", time.monotonic()) == "silent", "right to be given up")
    both(("left", "right"), ["left", "right"])


def test_an_incomplete_set_goes_on_by_itself_at_the_deadline(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", camera_timeout_s=30.0, sync_deadline_s=0.2)
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
        bench.camera(STAMP_NS, camera)
    bench.wait(lambda: messages, "the first message")
    bench.camera(STAMP_NS + 10**9, "left")  # and nothing else: only the timer can send it on
    bench.wait(lambda: messages[-1].header.stamp == stamp_of(STAMP_NS + 10**9), "the incomplete set")
    assert list(messages[-1].cameras) == ["left"]


def test_a_clock_set_back_makes_it_forget_everybody_once(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    back_ns = STAMP_NS - 10**11
    for stamp_ns, believed in (
        (STAMP_NS, True),
        (back_ns, False),
        (back_ns + 10**8, False),
        (back_ns + 2 * 10**8, True),
        (back_ns + 3 * 10**8, True),
    ):
        count = len(messages)
        bench.camera(stamp_ns)
        if believed:
            bench.wait(lambda count=count: len(messages) > count, "a message")
    assert bench.model.estimator.resets == 1
    assert messages[-1].header.stamp == stamp_of(back_ns + 3 * 10**8)
    assert [person.id for message in messages for person in message.people] == [1, 2, 2], "an id is given once"

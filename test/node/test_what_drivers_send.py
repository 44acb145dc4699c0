"""What drivers, bags and namespaces really send and ask for, over real DDS topics."""

from __future__ import annotations

import numpy as np
import pytest
from node_fakes import fake_model

from refit_ros.node import conversions
from refit_ros.node.intake import Intake
from refit_ros.node.parameters import NodeParameters
from refit_ros.node.rejections import Rejections

STAMP_NS = 1_700_000_000_123_456_789


def test_one_stamp_that_goes_wrong_forgets_nobody(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    for tick in range(5):
        count, off_s = len(messages), 5 * 365 * 86400 if tick == 2 else 0
        bench.camera(STAMP_NS + tick * 33_000_000 + off_s * 10**9)
        if tick == 2:
            bench.wait(lambda: bench.node._intake.builder.counts("camera")["stamps doubted"], "the stamp to be doubted")
        else:
            bench.wait(lambda count=count: len(messages) > count, "a message")
    assert bench.model.estimator.resets == 0 and len(messages) == 4
    assert {person.id for message in messages for person in message.people} == {1}


def test_a_calibration_published_once_and_latched_is_received(bench):
    from node_fakes import image_message, info_message
    from rclpy.qos import QoSDurabilityPolicy, QoSProfile
    from refit_ros.msg import SmplArray
    from sensor_msgs.msg import CameraInfo

    messages = bench.listen(SmplArray, "/human/smpl")
    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    bench.helper.create_publisher(CameraInfo, "/camera/camera_info", latched).publish(info_message(STAMP_NS))
    bench.start(fake_model())
    bench.connected("/human/smpl")
    bench.wait(lambda: bench.node._intake.calibrations["camera"], "the calibration")
    bench.publish("/camera/image_raw", image_message(STAMP_NS))
    bench.wait(lambda: messages, "a message")


def test_rectified_images_take_p_and_no_lens(bench, capfd):
    from node_fakes import image_message, info_message

    info = info_message(STAMP_NS)
    info.d, info.p = [-0.3, 0.1, 0.0, 0.0, 0.0], [50.0, 0.0, 30.0, 0.0, 0.0, 50.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    bench.start(fake_model(), arguments=("-r", "camera/image_raw:=camera/image_rect_color"))
    bench.publish("/camera/camera_info", info)
    bench.publish("/camera/image_rect_color", image_message(STAMP_NS))
    bench.wait(lambda: bench.model.estimator.seen, "a set")
    calibration = bench.model.estimator.seen[0][0].calibration
    assert not calibration.distorted and calibration.K.tolist() == [[50, 0, 30], [0, 50, 20], [0, 0, 1]]
    assert "P of CameraInfo" in capfd.readouterr().err


def test_a_leading_slash_is_taken_away_and_said_once(bench, capfd):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), fixed_frame="/map")
    bench.connected("/human/smpl")
    bench.stand("camera_optical", np.eye(4), "map")
    for tick in range(2):
        bench.camera(STAMP_NS + tick * 10**8, frame_id="/camera_optical")
        bench.wait(lambda tick=tick: len(messages) > tick, "a message")
    assert messages[0].header.frame_id == "map" and messages[0].people[0].views[0].frame_id == "camera_optical"
    assert capfd.readouterr().err.count("begins with a slash") == 1


def test_topics_lie_in_the_nodes_namespace(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/robot/human/smpl")
    bench.start(fake_model(), arguments=("-r", "__ns:=/robot"), cameras=["front"])
    bench.connected("/robot/human/smpl")
    bench.camera(STAMP_NS, "robot/front", frame_id="front_optical")
    assert bench.wait(lambda: messages, "a message")[0].header.frame_id == "front_optical"


def test_a_camera_whose_frame_is_the_fixed_frame_needs_no_tf(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), fixed_frame="camera_optical")
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    assert list(bench.wait(lambda: messages, "a message")[0].cameras) == ["camera"]


def test_a_transform_that_comes_after_its_image_is_waited_for(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), fixed_frame="map", transform_wait_s=5.0)
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    bench.wait(lambda: bench.node._intake.images["camera"] == 1, "the image")
    assert not messages
    bench.stand("camera_optical", np.eye(4), "map")
    assert list(bench.wait(lambda: messages, "a message")[0].cameras) == ["camera"]


def test_one_camera_gets_a_level_frame_below_its_own(bench):
    from rclpy.qos import QoSDurabilityPolicy, QoSProfile
    from scipy.spatial.transform import Rotation
    from tf2_msgs.msg import TFMessage

    static = bench.listen(TFMessage, "/tf_static", QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL))
    bench.start(fake_model(), arguments=("-r", "__ns:=/robot"), cameras=["/camera"])
    bench.camera(STAMP_NS, frame_id="head_eye")
    message = bench.wait(lambda: static, "the level frame")[0].transforms[0]
    assert (message.header.frame_id, message.child_frame_id) == ("head_eye", "robot/refit_level")
    turn = message.transform.rotation
    optical_from_level = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w])
    np.testing.assert_allclose(optical_from_level.apply([0, 0, 1]), [0, -1, 0], atol=1e-9)  # up is where the image's up is
    np.testing.assert_allclose(optical_from_level.apply([1, 0, 0]), [0, 0, 1], atol=1e-9)  # forward along the view


def test_frames_of_people_carry_the_prefix(bench):
    from tf2_msgs.msg import TFMessage

    tf = bench.listen(TFMessage, "/tf")
    bench.start(fake_model(), arguments=("-r", "__ns:=/robot"), cameras=["/camera"])
    bench.connected("/tf")
    bench.camera(STAMP_NS)
    names = {each.child_frame_id for each in bench.wait(lambda: tf, "transforms")[0].transforms}
    assert "robot/human_1/pelvis" in names and all(name.startswith("robot/human_1/") for name in names)


RECTIFIED = (
    "camera/image_rect",
    "camera/image_rect_color",
    "camera/image_rect_raw",
    "zed/zed_node/rgb/color/rect/image",
    "oak/left/rectified",
    "cam/image_rectified",
    "cam0/undistorted/image",
    "cam/image_undistorted",
)
RAW = (
    "camera/image_raw",
    "zed/unrectified/image",
    "direct/image_raw",
    "rectangle/image",
    "correct/image",
    "cam/distorted/image",
)


@pytest.mark.parametrize("topic", RECTIFIED + RAW)
def test_topics_of_rectified_images_are_known_by_what_tools_call_them(topic):
    said: list[str] = []
    intake = Intake(NodeParameters(cameras=("a",), image_topic=topic), "", Rejections(said.append))
    assert (intake.rectified == {"a"}) == (topic in RECTIFIED) == any(topic in sentence for sentence in said)


def test_rectified_images_without_p_take_k():
    pytest.importorskip("sensor_msgs")
    from node_fakes import info_message

    info = info_message(STAMP_NS)
    info.d, info.p = [-0.3, 0.1, 0.0, 0.0, 0.0], [0.0] * 12
    found = conversions.calibration("a", info, rectified=True)
    assert not found.distorted and found.K.reshape(-1).tolist() == list(info.k)

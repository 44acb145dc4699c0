"""The node in place of cameras: what it publishes belongs together."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("refit_ros.msg", reason="the messages are not built")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data  # noqa: E402
from refit_ros.msg import SmplArray  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from refit_ros.core.body import load_body  # noqa: E402
from refit_ros.node.conversions import calibration, stamp_ns  # noqa: E402
from refit_ros.node.images import rgb_image  # noqa: E402
from refit_ros.node.monitor import matrix_from_transform  # noqa: E402
from refit_ros.node.synthetic_cameras import (  # noqa: E402
    TRUTH_TOPIC,
    CameraOptions,
    SyntheticCameras,
    camera_names,
    film_for,
)

pytestmark = pytest.mark.ros
CAMERAS = 2
OPTIONS = {"cameras": CAMERAS, "people": 1, "width": 320, "height": 240, "rate": 10.0, "length": 0.3}


class Listener(Node):
    """Keeps everything by topic."""

    def __init__(self, context, image_type=Image) -> None:
        super().__init__("listener", context=context)
        self.came: dict[str, list] = {}
        ending = "/compressed" if image_type is CompressedImage else ""
        for name in camera_names(CAMERAS):
            self.hear(f"/{name}/image_raw{ending}", image_type, qos_profile_sensor_data)
            self.hear(f"/{name}/camera_info", CameraInfo, qos_profile_sensor_data)
        self.hear(TRUTH_TOPIC, SmplArray, 10)
        self.hear("/tf_static", TFMessage, QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL))

    def hear(self, topic: str, kind: type, qos) -> None:
        self.came[topic] = []
        self.create_subscription(kind, topic, self.came[topic].append, qos)


def play(context, image_type=Image, **more) -> dict[str, list]:
    """What comes until every topic has brought something, all at one stamp."""
    options = OPTIONS | more
    cameras, listener = SyntheticCameras(options, context=context), Listener(context, image_type)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(cameras)
    executor.add_node(listener)
    try:
        cameras.play(film_for(CameraOptions(**options)), load_body().name)
        end_s = time.monotonic() + 30
        while not (min(map(len, listener.came.values())) and common_stamps(listener.came)):
            assert time.monotonic() < end_s, {topic: len(messages) for topic, messages in listener.came.items()}
            executor.spin_once(timeout_sec=0.2)
    finally:
        executor.shutdown(timeout_sec=1.0)
        cameras.destroy_node()
        listener.destroy_node()
    return listener.came


def common_stamps(came: dict[str, list]) -> set[int]:
    return set.intersection(
        *(
            {stamp_ns(message.header.stamp) for message in messages}
            for topic, messages in came.items()
            if topic != "/tf_static"
        )
    )


def world_from_frames(came) -> dict[str, np.ndarray]:
    return {
        transform.child_frame_id: matrix_from_transform(transform.transform)
        for message in came["/tf_static"]
        for transform in message.transforms
    }


def at(messages: list, stamp: int):
    return next(message for message in messages if stamp_ns(message.header.stamp) == stamp)


def joints_of(person) -> np.ndarray:
    return np.array([[point.x, point.y, point.z] for point in person.joints])


@pytest.mark.parametrize(
    "more",
    [{}, {"distortion": (-0.28, 0.07, 0.001, -0.002, 0.0)}, {"compressed": True}],
    ids=["pinhole", "distorted", "compressed"],
)
def test_truth_projects_onto_the_people_in_the_images(ros_context, more):
    """By CameraInfo and static TF alone, the true joints fall on pixels that the empty room does not have."""
    came = play(ros_context, CompressedImage if more.get("compressed") else Image, **more)
    stamp = max(common_stamps(came))
    truth = at(came[TRUTH_TOPIC], stamp)
    assert truth.header.frame_id == "world" and len(truth.people) == 1
    for name in camera_names(CAMERAS):
        info = came[f"/{name}/camera_info"][-1]
        image = at(came[f"/{name}/image_raw" + ("/compressed" if more.get("compressed") else "")], stamp)
        assert image.header.frame_id == info.header.frame_id
        lens, world_from_camera = calibration(name, info), world_from_frames(came)[image.header.frame_id]
        points_m = (joints_of(truth.people[0]) - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
        inside = lens.sees(points_m)
        assert inside.sum() >= 12, "the person walks in front of the camera"
        person = differs_from_the_room(lens, world_from_camera, rgb_image(image))
        columns, rows = np.round(lens.project(points_m[inside])).astype(int).T
        assert person[rows, columns].mean() > 0.9
        assert person.mean() < 0.4, "and not everything is person"


def differs_from_the_room(lens, world_from_camera: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(H, W) bool."""
    from refit_ros.node.film import Lens
    from refit_ros.synthetic.room import render_room

    room = (render_room(replace(lens, D=np.zeros(0)), world_from_camera, seed=0) * 255).astype(np.uint8)
    return np.abs(Lens(lens).look(room).astype(int) - image).max(-1) > 20


def test_the_truth_is_a_body_in_smplx_terms(ros_context):
    """betas, global_orient, body_pose and transl of the truth pose the body onto the truth's joints, in the world."""
    import torch

    from refit_ros.core.rotations import rotmat_from_axis_angle

    came = play(ros_context)
    person = came[TRUTH_TOPIC][-1].people[0]
    axis_angle = torch.from_numpy(np.concatenate([person.global_orient, person.body_pose]).reshape(1, 24, 3))
    transl = torch.tensor([[person.transl.x, person.transl.y, person.transl.z]], dtype=torch.float32)
    betas = torch.from_numpy(np.array(person.betas))[None]
    joints = load_body().joints(betas, rotmat_from_axis_angle(axis_angle), transl)[0]
    np.testing.assert_allclose(joints.numpy(), joints_of(person), atol=1e-4)
    assert person.body_model == load_body().name
    assert -0.1 < joints[:, 2].min() < 0.2 < 1.2 < joints[:, 2].max() < 2.2, "stands on the floor, head up"


def test_a_set_has_one_stamp_and_stamps_go_on(ros_context):
    came = play(ros_context)
    stamps = [stamp_ns(message.header.stamp) for message in came[TRUTH_TOPIC]]
    assert stamps == sorted(set(stamps))
    for name in camera_names(CAMERAS):
        assert {stamp_ns(message.header.stamp) for message in came[f"/{name}/image_raw"]} <= set(stamps)


def test_true_boxes_hold_the_people(ros_context):
    """In both kinds of messages that the node takes."""
    from types import SimpleNamespace

    from geometry_msgs.msg import PolygonStamped

    from refit_ros.evaluation.true_boxes import true_boxes
    from refit_ros.node.conversions import boxes
    from refit_ros.node.film import FilmCamera
    from refit_ros.node.synthetic_cameras import in_camera
    from refit_ros.node.true_boxes import detections_message
    from refit_ros.synthetic.scenes import named_scene

    scene = named_scene("three_people", cameras=2)
    camera, people = FilmCamera(*scene.cameras[0]), tuple(scene.truth(0.0))
    behind = SimpleNamespace(joints=np.asarray(people[0].joints) + 50 * -camera.world_from_camera[:3, 2])
    true = true_boxes((*people, behind), camera.calibration, camera.world_from_camera)
    found = boxes(detections_message(PolygonStamped, true.xyxy_px)).xyxy_px
    assert found.shape == (3, 4)
    for (left, top, right, bottom), person in zip(found, people, strict=True):
        pixels, inside = in_camera(camera, np.asarray(person.joints))
        assert (pixels[inside] >= (left, top)).all() and (pixels[inside] <= (right, bottom)).all()
        assert bottom - top < 1.3 * np.ptp(pixels[:, 1])


@pytest.mark.parametrize(
    "options, words", [({"cameras": 5}, "cameras is 5"), ({"rate": 0.0}, "rate is 0"), ({"width": 0}, "width is 0")]
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        CameraOptions(**options)


def test_a_scene_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="no scene 'moon'"):
        film_for(CameraOptions(scene="moon"))

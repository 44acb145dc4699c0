"""A bag is gone through by a slider or played; what is seen is the message of that time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from motion_truth import START_NS, STEP_NS, body, people_message, person

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from refit_ros.core.errors import InputError  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.viewer.playback import Playback  # noqa: E402
from refit_ros.viewer.scene import Scene  # noqa: E402
from refit_ros.viewer.skin import Skin  # noqa: E402

STEP_S = STEP_NS * 1e-9


def write_bag(path: Path, camera: bool = True) -> Path:
    """Twelve sets, and where the camera `left` stands and what it is."""
    store = make_store()
    types = BagTypes(store)
    with rosbag2.Writer(path, version=9) as writer:

        def write(topic: str, kind: str, messages) -> None:
            connection = writer.add_connection(topic, kind, typestore=store)
            for at_ns, message in messages:
                writer.write(connection, at_ns, types.serialize(message))

        people = [
            (START_NS + i * STEP_NS, people_message(types, [person(i), person(i, 9)][: 2 - i // 6], i)) for i in range(12)
        ]
        write("/human/smpl", "refit_ros/msg/SmplArray", people)
        if camera:
            info = types.new("sensor_msgs/msg/CameraInfo")
            info.header.frame_id, info.width, info.height = "left_optical", 640, 480
            info.k = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
            write("/left/camera_info", "sensor_msgs/msg/CameraInfo", [(START_NS, info)])
            tf, where = types.new("tf2_msgs/msg/TFMessage"), types.new("geometry_msgs/msg/TransformStamped")
            where.header.frame_id, where.child_frame_id = "map", "left_optical"
            where.transform.translation.z, where.transform.rotation.w = 1.5, 1.0
            tf.transforms = [where]
            write("/tf_static", "tf2_msgs/msg/TFMessage", [(START_NS + 5, tf)])
    return path


@pytest.fixture
def opened(tmp_path):
    playback = Playback(write_bag(tmp_path / "bag"), "/human/smpl")
    yield playback, Scene(playback.place, Skin(body().arrays))
    playback.close()


def shown(scene: Scene, playback: Playback):
    return scene.state(playback.now_s)


def test_it_plays_as_time_passes(opened):
    playback, scene = opened
    assert playback.length_s == pytest.approx(11 * STEP_S)
    playback.advance(0.0, scene)
    assert shown(scene, playback).stamp_s == pytest.approx(START_NS * 1e-9)
    playback.advance(3.5 * STEP_S, scene)
    assert shown(scene, playback).stamp_s == pytest.approx((START_NS + 3 * STEP_NS) * 1e-9)
    playback.speed = 4.0
    playback.advance(STEP_S, scene)
    assert shown(scene, playback).stamp_s == pytest.approx((START_NS + 7 * STEP_NS) * 1e-9)
    assert [each.id for each in shown(scene, playback).people] == [4]
    playback.playing = False
    number = shown(scene, playback).number
    playback.advance(60.0, scene)
    assert shown(scene, playback).number == number  # nothing new, nothing drawn
    playback.playing = True
    playback.advance(60.0, scene)
    assert playback.at_s == 0.0 and len(shown(scene, playback).people) == 2


def test_the_slider_goes_anywhere(opened):
    playback, scene = opened
    playback.playing = False
    for index in (9, 2, 11):
        playback.go_to(index * STEP_S)
        playback.advance(0.0, scene)
        state = shown(scene, playback)
        np.testing.assert_allclose(state.people[0].joints, person(index).joints, atol=1e-6)
        assert len(scene.plots(playback.now_s).latency) == 1  # nothing of before the jump
    playback.go_to(1e9)
    assert playback.at_s == playback.length_s


def test_cameras_of_the_bag(opened):
    playback, scene = opened
    playback.give_cameras(scene)
    playback.advance(0.0, scene)
    (camera,) = shown(scene, playback).cameras
    assert camera.name == "left" and camera.world_from_camera[2, 3] == pytest.approx(1.5)
    assert playback.place("map", "right_optical") is None


def test_all_of_a_person_can_be_saved(opened):
    playback, _ = opened
    assert [len(list(playback.sightings(number))) for number in (4, 9, 5)] == [12, 6, 0]


def test_a_bag_without_transforms_is_shown_too(tmp_path):
    playback = Playback(write_bag(tmp_path / "bag", camera=False), "/human/smpl")
    scene = Scene(playback.place, None)
    playback.give_cameras(scene)
    playback.advance(0.0, scene)
    assert shown(scene, playback).people[0].vertices is None and shown(scene, playback).cameras[0].world_from_camera is None
    playback.close()


def test_a_bag_without_people_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no people on /nobody.*refit_ros bag"):
        Playback(write_bag(tmp_path / "bag"), "/nobody")

"""A bag is gone through by a slider or played; what is seen is the message of that time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from motion_truth import START_NS, STEP_NS, body, people_message, person

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from refit_ros.core.errors import InputError  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.conversions import set_stamp  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.viewer import bag_images  # noqa: E402
from refit_ros.viewer.playback import Playback  # noqa: E402
from refit_ros.viewer.program import images_of  # noqa: E402
from refit_ros.viewer.scene import Scene  # noqa: E402
from refit_ros.viewer.skin import Skin  # noqa: E402

STEP_S = STEP_NS * 1e-9
TOPICS = dict(image_topic="{camera}/image_raw", camera_info_topic="{camera}/camera_info")


def write_bag(path: Path, camera: bool = True, images: str = "", people: bool = True, broken: tuple[int, ...] = ()) -> Path:
    """Twelve sets, and where the camera `left` stands and what it is.

    broken: which messages of each topic of people and images are cut off.

    images: raw or compressed ones too, of every second set's time, written 1 ms before its people; grey 10 i.
    """
    store = make_store()
    types = BagTypes(store)
    with rosbag2.Writer(path, version=9) as writer:

        def write(topic: str, kind: str, messages) -> None:
            connection = writer.add_connection(topic, kind, typestore=store)
            for index, (at_ns, message) in enumerate(messages):
                cut = index in broken and topic not in ("/left/camera_info", "/tf_static")
                writer.write(connection, at_ns, types.serialize(message)[: 10 if cut else None])

        sets = [
            (START_NS + i * STEP_NS, people_message(types, [person(i), person(i, 9)][: 2 - i // 6], i)) for i in range(12)
        ]
        if people:
            write("/human/smpl", "refit_ros/msg/SmplArray", sets)
        if images:
            kind, ending = ("Image", "") if images == "raw" else ("CompressedImage", "/compressed")
            taken = [(START_NS + i * STEP_NS - 1_000_000, image(types, kind, i)) for i in range(0, 12, 2)]
            write(f"/left/image_raw{ending}", f"sensor_msgs/msg/{kind}", taken)
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


def image(types: BagTypes, kind: str, index: int):
    message = types.new(f"sensor_msgs/msg/{kind}")
    set_stamp(message.header.stamp, START_NS + index * STEP_NS)
    pixels = np.full((480, 640, 3), 10 * index, np.uint8)
    if kind == "Image":
        message.height, message.width, message.step, message.encoding, message.data = (
            480,
            640,
            1920,
            "rgb8",
            pixels.reshape(-1),
        )
    else:
        message.format, message.data = "png", cv2.imencode(".png", pixels)[1].reshape(-1)
    return message


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


def grey_of(scene: Scene, playback: Playback) -> int | None:
    (camera,) = shown(scene, playback).cameras
    return None if camera.image is None else int(camera.image[0, 0, 0])


@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize("in_one", [True, False])
def test_the_image_of_the_time_that_is_shown(tmp_path, monkeypatch, transport, in_one):
    monkeypatch.setattr(bag_images, "IMAGE_PERIOD_S", 0.0)
    path = write_bag(tmp_path / "people", camera=in_one, images=transport if in_one else "")
    recording = None if in_one else write_bag(tmp_path / "recording", images=transport, people=False)
    images = images_of(recording, path, TOPICS)
    playback = Playback(path, "/human/smpl", images)
    scene = Scene(playback.place, None)
    playback.give_cameras(scene)
    playback.playing = False
    for index, grey in ((0, 0), (1, 0), (2, 20), (3, 20), (9, 80), (4, 40), (11, 100)):
        playback.go_to(index * STEP_S + 1e-4)
        playback.advance(0.0, scene)
        assert grey_of(scene, playback) == grey
    (camera,) = shown(scene, playback).cameras
    assert camera.name == "left" and camera.image.shape == (240, 320, 3)
    assert camera.world_from_camera[2, 3] == pytest.approx(1.5)  # by the recording's transforms
    playback.want_images(False)
    playback.advance(0.0, scene)
    assert grey_of(scene, playback) is None
    playback.close()


def test_images_are_given_a_few_times_a_second(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(bag_images.time, "monotonic", lambda: clock[0])
    path = write_bag(tmp_path / "people", images="raw")
    playback = Playback(path, "/human/smpl", images_of(None, path, TOPICS))
    scene = Scene(playback.place, None)
    playback.advance(0.0, scene)
    playback.advance(6.5 * STEP_S, scene)
    assert grey_of(scene, playback) == 0
    clock[0] += bag_images.IMAGE_PERIOD_S
    playback.advance(0.0, scene)
    assert grey_of(scene, playback) == 60
    playback.close()


def test_a_bag_without_images_is_shown_without(tmp_path):
    path = write_bag(tmp_path / "people")
    assert images_of(None, path, TOPICS) is None
    with pytest.raises(ValueError, match="no camera in this bag"):
        images_of(path, path, TOPICS)


def test_broken_messages_cost_the_others_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(bag_images, "IMAGE_PERIOD_S", 0.0)
    path = write_bag(tmp_path / "people", images="raw", broken=(0, 3))
    playback = Playback(path, "/human/smpl", images_of(None, path, TOPICS))
    scene = Scene(playback.place, None)
    playback.give_cameras(scene)
    playback.playing = False
    for index, people, grey in ((0, 0, None), (2, 2, 20), (3, 0, 20), (7, 1, 40), (11, 1, 100)):
        playback.go_to(index * STEP_S + 1e-4)
        playback.advance(0.0, scene)
        assert (len(shown(scene, playback).people), grey_of(scene, playback)) == (people, grey)
    assert len(list(playback.sightings(4))) == 10
    playback.close()


def test_a_camera_that_moves_stands_where_it_stood_when_the_people_were_seen(tmp_path):
    """Transforms are told by the images' clock; a bag played to the node had its messages written years after it."""
    store = make_store()
    types, moving_tf = BagTypes(store), "tf2_msgs/msg/TFMessage"
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        topics = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in (("/human/smpl", "refit_ros/msg/SmplArray"), ("/tf", moving_tf))
        }
        for index in range(12):
            where = types.new("geometry_msgs/msg/TransformStamped")
            set_stamp(where.header.stamp, START_NS + index * STEP_NS)
            where.header.frame_id, where.child_frame_id, where.transform.rotation.w = "map", "left_optical", 1.0
            where.transform.translation.x = float(index)
            tf = types.new(moving_tf)
            tf.transforms = [where]
            for topic, message in (("/human/smpl", people_message(types, [person(index)], index)), ("/tf", tf)):
                writer.write(topics[topic], START_NS + 10**17 + index * STEP_NS, types.serialize(message))
    playback = Playback(tmp_path / "bag", "/human/smpl")
    scene = Scene(playback.place, None)
    for index in (0, 7, 3):
        playback.go_to(index * STEP_S + 1e-4)
        playback.advance(0.0, scene)
        assert playback.place("map", "left_optical")[0, 3] == pytest.approx(index)
    playback.close()


def test_nobody_is_shown_within_a_long_gap(tmp_path):
    """As on the live page: nothing tells where they are meanwhile."""
    store = make_store()
    types = BagTypes(store)
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        people = writer.add_connection("/human/smpl", "refit_ros/msg/SmplArray", typestore=store)
        for index, at_s in enumerate((0, 1, 60, 61)):
            message = people_message(types, [person(index)], index)
            writer.write(people, START_NS + at_s * 1_000_000_000, types.serialize(message))
    playback = Playback(tmp_path / "bag", "/human/smpl")
    scene = Scene(playback.place, None)
    for at_s, people in ((0.5, 1), (3.5, 1), (30.0, 0), (60.5, 1), (3.0, 1), (61.0, 1)):
        playback.go_to(at_s)
        playback.advance(0.0, scene)
        assert len(shown(scene, playback).people) == people, at_s
    playback.go_to(0.9)
    for passed_s, people in ((0.0, 1), (2.0, 1), (2.0, 0), (55.5, 1)):
        playback.advance(passed_s, scene)
        assert len(shown(scene, playback).people) == people
    playback.close()

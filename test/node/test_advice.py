"""From what is on the graph to the line to type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refit_ros.node.advice import ImagesSeen, InfoSeen, advise
from refit_ros.node.parameters import NodeParameters

TREE = {
    "left_optical": "left_link",
    "left_link": "base_link",
    "right_optical": "base_link",
    "base_link": "odom",
    "odom": "map",
}


def images(camera: str = "left", **changes) -> ImagesSeen:
    info = InfoSeen(f"{camera}_optical", (640, 480), 500.0, "plumb_bob")
    seen = ImagesSeen(
        topic=f"/{camera}/image_raw",
        transport="raw",
        publishers=1,
        reliable=False,
        came=90,
        rate_hz=30.0,
        encoding="rgb8",
        size_px=(640, 480),
        frame_id=f"{camera}_optical",
        age_s=0.02,
        info_topic=f"/{camera}/camera_info",
        info=info,
    )
    return replace(seen, **changes)


def test_one_camera_needs_no_frame():
    advice = advise([images("front")], {})
    assert advice.launch == "ros2 launch refit_ros refit.launch.py cameras:=front" and advice.problems == 0
    assert advice.lines[0] == (
        "/front/image_raw: 30.0 images/s, 640 x 480, rgb8, best effort, f = 500 px, lens 'plumb_bob', frame 'front_optical'"
    )


def test_a_camera_without_a_namespace_gets_a_name_and_its_topics():
    alone = images(topic="/image_raw", info_topic="/camera_info")
    line = "ros2 launch refit_ros refit.launch.py cameras:=camera image_topic:=/image_raw camera_info_topic:=/camera_info"
    assert advise([alone], {}).launch == line
    compressed = replace(alone, topic="/image_raw/compressed", transport="compressed", size_px=None)
    assert advise([compressed], {}).launch == f"{line} image_transport:=compressed"
    NodeParameters(cameras=("camera",), image_topic="/image_raw", camera_info_topic="/camera_info")
    two = advise([alone, images("right")], TREE)
    assert "cameras:=right" in two.launch and any(
        "called otherwise" in each and ": /image_raw" in each for each in two.lines
    )


def test_several_cameras_get_the_frame_above_them():
    both = [images(), images("right")]
    assert advise(both, TREE).launch == "ros2 launch refit_ros refit.launch.py cameras:=left,right fixed_frame:=map"
    assert advise(both, TREE, "base_link").launch.endswith("fixed_frame:=base_link")
    rig = {"left_optical": "rig", "right_optical": "rig", "rig": "hall"}
    assert advise(both, rig).launch.endswith("fixed_frame:=rig")  # no usual name: the nearest


def test_cameras_that_nothing_connects():
    advice = advise([images(), images("right")], {"left_optical": "map"})
    assert advice.launch == "ros2 launch refit_ros refit.launch.py cameras:=left" and advice.problems == 1
    assert "left ('left_optical'), right ('right_optical')" in advice.lines[-1] and "tf_static" in advice.lines[-1]
    advice = advise([images(), images("right")], TREE, "hall")
    assert "does not lead from 'hall' to left, right" in advice.lines[-1] and advice.problems == 1


def test_a_circle_in_tf_ends():
    assert advise([images()], {"left_optical": "a", "a": "b", "b": "a"}).launch


def test_other_names_of_topics():
    realsense = images("camera/camera/color", topic="/camera/camera/color/image_rect", frame_id="color")
    launch = advise([realsense], {}).launch
    assert launch == (
        "ros2 launch refit_ros refit.launch.py cameras:=camera/camera/color 'image_topic:={camera}/image_rect'"
    )
    compressed = images("usb", topic="/usb/image_raw/compressed", transport="compressed", size_px=None, encoding="jpeg")
    assert advise([compressed], {}).launch.endswith("cameras:=usb image_transport:=compressed")


def test_the_raw_images_of_a_camera_go_before_its_compressed_ones():
    compressed = images(topic="/left/image_raw/compressed", transport="compressed", size_px=None, encoding="jpeg")
    advice = advise([images(), compressed], {})
    assert advice.launch.endswith("cameras:=left") and any("/left/image_raw/compressed" in line for line in advice.lines[2:])


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"publishers": 0, "came": 0}, "nobody publishes it"),
        ({"came": 0}, "nothing came"),
        ({"encoding": "32FC1"}, "'32FC1' is no colour"),
        ({"info": None}, "no CameraInfo came on /left/camera_info"),
        ({"info": InfoSeen("left_optical", (640, 480), 0.0, "")}, "not calibrated"),
        ({"size_px": (320, 240)}, "its CameraInfo is for 640 x 480 px"),
        ({"age_s": None}, "stamps are 0"),
        ({"frame_id": "", "info": InfoSeen("", (640, 480), 500.0, "")}, "no frame_id"),
    ],
)
def test_why_a_camera_would_not_work(changes, words):
    advice = advise([images(**changes)], TREE)
    assert words in advice.lines[0] and "WOULD NOT WORK" in advice.lines[0]
    assert advice.launch == "" and advice.problems == 1 and "no camera would work" in advice.lines[-1]


def test_the_others_work_all_the_same():
    advice = advise([images(info=None), images("right")], TREE)
    assert advice.problems == 1 and "cameras:=right fixed_frame:=map" in advice.launch


@pytest.mark.parametrize("age_s, words", [(40.0, "40.0 s behind"), (-5.0, "5.0 s ahead of")])
def test_clocks_that_differ_are_told(age_s, words):
    advice = advise([images(age_s=age_s)], TREE)
    assert words in advice.lines[0] and advice.launch


def test_nothing_at_all():
    advice = advise([], {})
    assert advice.problems == 1 and not advice.launch and "no images" in advice.lines[0]

"""Bags as power losses, ROS 1 and drivers leave them: each is told with the way to mend it."""

from __future__ import annotations

import os
import shutil

import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from test_recording import write_bag  # noqa: E402

from refit_ros.node import recording  # noqa: E402
from refit_ros.node.bag_cameras import cameras_in  # noqa: E402
from refit_ros.node.bag_files import find_bag  # noqa: E402


@pytest.fixture(params=[True, False], ids=["mcap", "sqlite3"])
def bag(request, tmp_path):
    return write_bag(tmp_path / "in", ["camera"], sets=3, mcap=request.param)


def storage_of(bag):
    return next(each for each in bag.iterdir() if each.suffix in (".mcap", ".db3"))


def test_one_storage_file_without_metadata_is_that_file(bag):
    (bag / "metadata.yaml").unlink()
    assert find_bag(bag) == storage_of(bag)
    with recording.open_bag(bag) as reader:
        assert cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info")[0] == ["camera"]


def test_several_files_without_metadata_are_an_unfinished_recording(bag):
    file = storage_of(bag)
    shutil.copy(file, file.with_name(f"second{file.suffix}"))
    (bag / "metadata.yaml").unlink()
    with pytest.raises(ValueError, match="was not finished; mend it with `ros2 bag reindex"):
        find_bag(bag)


def test_a_cut_storage_file_is_told(bag):
    file = storage_of(bag)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    words = "mcap recover" if file.suffix == ".mcap" else "not finished or not fully copied"
    for place in (bag, file):
        with pytest.raises(ValueError, match=f"is cut off: this recording was .*{words}|{words}"):
            find_bag(place)


@pytest.mark.parametrize("kept", [8, 15, 20, 99])
def test_what_is_left_of_a_storage_file_is_called_cut_off_however_little(bag, kept):
    file = storage_of(bag)
    file.write_bytes(file.read_bytes()[:kept])
    for place in (bag, file):
        with pytest.raises(ValueError, match="is cut off: this recording was not finished"):
            find_bag(place)


@pytest.mark.parametrize("text", ["a: [", "hello", "rosbag2_bagfile_information:\n  version: 9\n  files", "- 1\n- {"])
def test_metadata_that_is_none_is_one_line(bag, text):
    (bag / "metadata.yaml").write_text(text)
    with pytest.raises(ValueError, match="cannot be read as a ROS 2 bag") as refused, recording.open_bag(bag):
        pass
    assert "\n" not in str(refused.value)


def test_a_part_that_was_zeroed_within_is_told(tmp_path):
    """The reader of MCAP passes over it without a word."""
    from test_recording import fit

    bag = write_bag(tmp_path / "in", ["camera"], sets=30, static=False)
    content = bytearray(storage_of(bag).read_bytes())
    content[len(content) // 3 : 2 * len(content) // 3] = bytes(2 * len(content) // 3 - len(content) // 3)
    storage_of(bag).write_bytes(content)
    outcome, _, said = fit(bag, tmp_path / "out", ["camera"])
    assert 0 < outcome.sets < 30 and outcome.lost > 0
    assert any("is damaged within" in sentence and f"{outcome.lost} of 60 messages" in sentence for sentence in said), said


def test_ros_1_pipes_and_other_files(tmp_path):
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n" + bytes(5000))
    (tmp_path / "page.mcap").write_bytes(b"<html>not found</html>")
    (tmp_path / "empty.mcap").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.mcap")
    for name, words in (
        ("old.bag", "a ROS 1 bag; convert it"),
        ("page.mcap", "it is a web page"),
        ("empty.mcap", "is empty: nothing was recorded"),
        ("pipe.mcap", "a named pipe"),
    ):
        with pytest.raises(ValueError, match=words):
            find_bag(tmp_path / name)
    with pytest.raises(ValueError, match="holds a ROS 1 bag; convert it"):
        find_bag(tmp_path)


def test_depth_streams_are_no_cameras_and_are_told(tmp_path):
    from test_recording import image, info, rosbags

    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    store, said = make_store(), []
    types = BagTypes(store)
    with rosbags.Writer(tmp_path / "in", version=9, storage_plugin=rosbags.StoragePlugin.MCAP) as writer:
        for name, encoding in (("color", "rgb8"), ("depth", "16UC1"), ("aligned_depth", "mono16")):
            for topic, kind, message in (
                ("image_raw", "sensor_msgs/msg/Image", image(types, 10**18, name)),
                ("camera_info", "sensor_msgs/msg/CameraInfo", info(types, 10**18, name)),
            ):
                if topic == "image_raw":
                    message.encoding = encoding
                connection = writer.add_connection(f"/{name}/{topic}", kind, typestore=store)
                writer.write(connection, 10**18, store.serialize_cdr(message, kind))
    with recording.open_bag(tmp_path / "in") as reader:
        assert cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info", said.append) == (["color"], "raw")
    assert len(said) == 2 and all("depth" in sentence for sentence in said)


@pytest.mark.parametrize("name", ["RUN.MCAP", "run.bak", "run", os.fsdecode(b"caf\xe9.dat")])
def test_a_storage_file_is_known_by_its_bytes_whatever_it_is_called(bag, tmp_path, name):
    shutil.copy(storage_of(bag), tmp_path / name)
    with recording.open_bag(tmp_path / name) as reader:
        assert cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info")[0] == ["camera"]

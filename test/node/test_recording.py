"""A bag in, a bag out: the node's own numbers, the same bytes every time, and no ROS."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

rosbags = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from node_fakes import fake_model  # noqa: E402

from refit_ros.__main__ import main  # noqa: E402
from refit_ros.commands import bag  # noqa: E402
from refit_ros.commands.bag import why_left_out  # noqa: E402
from refit_ros.node import recording  # noqa: E402
from refit_ros.node.bag_cameras import cameras_in  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.node.parameters import NodeParameters  # noqa: E402

START_NS = 1_700_000_000_000_000_000
STEP_NS = 33_000_000
ENCODING = "rgb8"  # whatever it is called, 3 bytes a pixel
QUICK = ("--weights", "untrained", "--detector", "full_image", "--device", "cpu")


def write_bag(
    path: Path,
    cameras: list[str],
    sets: int = 6,
    mcap: bool = True,
    static: bool = True,
    w: float = 1.0,
    step_ns: int = STEP_NS,
    whole_seconds: bool = False,
    focal_px: Callable[[int], float] = lambda tick: 60.0,
) -> Path:
    """Grey images of 64 x 48 px, recorded 10 ms after they were taken; cameras in a row, 1 m apart."""
    store = make_store()
    types = BagTypes(store)
    plugin = rosbags.StoragePlugin.MCAP if mcap else rosbags.StoragePlugin.SQLITE3
    with rosbags.Writer(path, version=9, storage_plugin=plugin) as writer:

        def topic(name: str, kind: str):
            connection = writer.add_connection(name, kind, typestore=store)
            return lambda message, at_ns: writer.write(connection, at_ns, store.serialize_cdr(message, kind))

        tf = topic("/tf_static", "tf2_msgs/msg/TFMessage")
        message = types.new("tf2_msgs/msg/TFMessage")
        for index, camera in enumerate(cameras):
            transform = types.new("geometry_msgs/msg/TransformStamped")
            transform.header.frame_id, transform.child_frame_id = "map", f"{camera}_optical"
            transform.transform.translation.x, transform.transform.rotation.w = float(index), w
            message.transforms.append(transform)
        streams = {
            camera: (
                topic(f"/{camera}/image_raw".replace("//", "/"), "sensor_msgs/msg/Image"),
                topic(f"/{camera}/camera_info".replace("//", "/"), "sensor_msgs/msg/CameraInfo"),
            )
            for camera in cameras
        }
        for tick in range(sets):
            taken_ns = START_NS + tick * step_ns
            stamp_ns = taken_ns // 10**9 * 10**9 if whole_seconds else taken_ns
            for camera, (images, infos) in streams.items():
                infos(info(types, stamp_ns, f"{camera}_optical", focal_px(tick)), taken_ns + 9_000_000)
                images(image(types, stamp_ns, f"{camera}_optical"), taken_ns + 10_000_000)
        if static:
            tf(message, START_NS + 20_000_000)  # recorded after the first images
    return path


def image(types, stamp_ns: int, frame_id: str):
    message = types.new("sensor_msgs/msg/Image")
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id, message.encoding = frame_id, ENCODING
    message.width, message.height, message.step, message.data = 64, 48, 192, np.full(192 * 48, 99, np.uint8)
    return message


def info(types, stamp_ns: int, frame_id: str, focal_px: float = 60.0):
    message = types.new("sensor_msgs/msg/CameraInfo")
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id, message.width, message.height, message.distortion_model = frame_id, 64, 48, "plumb_bob"
    message.k = np.array([focal_px, 0, 32, 0, focal_px, 24, 0, 0, 1])
    message.d = np.zeros(5)
    return message


def fit(source: Path, output: Path, cameras: list[str], fixed_frame: str = "", mcap: bool = True, **options):
    model, said = fake_model(people=2, **options), []
    parameters = NodeParameters(cameras=tuple(cameras), fixed_frame=fixed_frame, publish_mesh=True)
    with recording.open_bag(source) as reader:
        outcome = recording.fit_bag(reader, output, model, parameters, "", mcap, said.append, lambda *_: None)
    return outcome, model, said


def read(path: Path) -> dict[str, list]:
    with recording.open_bag(path) as reader:
        found: dict[str, list] = {}
        for connection, time_ns, raw in reader.messages():
            found.setdefault(connection.topic, []).append((time_ns, reader.deserialize(raw, connection.msgtype)))
    return found


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("mcap", [True, False], ids=["mcap", "sqlite3"])
def test_the_same_bytes_at_every_run_whatever_the_output_is_called(tmp_path, mcap):
    source = write_bag(tmp_path / "in", ["left", "right"], mcap=mcap)
    for name in ("one", "two"):
        fit(source, tmp_path / name, ["left", "right"], "map", mcap)
    assert digest(tmp_path / "one") == digest(tmp_path / "two") and len(digest(tmp_path / "one")) == 2


def test_one_camera(tmp_path):
    source = write_bag(tmp_path / "in", ["camera"])
    outcome, model, _ = fit(source, tmp_path / "out", ["camera"])
    found = read(tmp_path / "out")
    assert outcome.sets == 6 and outcome.with_people == 6 and outcome.rejected == 0
    assert set(found) == {"/human/smpl", "/human/markers", "/tf"} and {len(each) for each in found.values()} == {6}
    for tick, (time_ns, message) in enumerate(found["/human/smpl"]):
        stamp = message.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == START_NS + tick * STEP_NS
        assert time_ns == START_NS + tick * STEP_NS + 10_000_000
        assert message.header.frame_id == "camera_optical" and [person.id for person in message.people] == [1, 2]
        np.testing.assert_allclose(message.people[1].betas, model.estimator.people[1].betas, atol=1e-6)
    transforms = found["/tf"][0][1].transforms
    assert len(transforms) == 48 and transforms[0].child_frame_id == "human_1/pelvis"
    mesh = [marker for marker in found["/human/markers"][0][1].markers if marker.ns == "mesh"]
    assert len(mesh) == 2 and len(mesh[0].points) == model.body.faces.size


def test_several_cameras_in_the_fixed_frame(tmp_path):
    source = write_bag(tmp_path / "in", ["left", "right"])
    outcome, model, _ = fit(source, tmp_path / "out", ["left", "right"], "map")
    message = read(tmp_path / "out")["/human/smpl"][0][1]
    assert message.cameras == ["left", "right"] and message.header.frame_id == "map"
    assert outcome.sets == 6
    where = [view.fixed_from_camera[0, 3] for view in model.estimator.seen[-1]]
    np.testing.assert_allclose(where, [0, 1])


def test_without_extrinsics_nothing_is_guessed(tmp_path):
    source = write_bag(tmp_path / "in", ["left", "right"], static=False)
    outcome, _, said = fit(source, tmp_path / "out", ["left", "right"], "map")
    assert outcome.with_people == 0 and any("no transform" in sentence for sentence in said)


def test_a_bag_of_which_no_image_could_be_used_is_not_well_and_why_is_in_the_last_line(tmp_path, monkeypatch, capsys):
    """With many bags the last line is all that is told of one."""
    source, output = write_bag(tmp_path / "in", ["left", "right"]), tmp_path / "out"
    monkeypatch.setattr(bag, "_model", lambda *_: fake_model())
    assert main(["bag", str(source), "--output", str(output), "--fixed-frame", "nowhere"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "6 sets of images, 0 with people, 12 messages rejected (no extrinsics: 12); nothing was written"
    assert not output.exists()


def test_the_last_image_too_that_waits_for_a_calibration_is_told(tmp_path):
    """Of a bag of one image nothing was told at all."""
    without_lens = write_bag(tmp_path / "in", ["camera"], sets=1, focal_px=lambda tick: 0.0)
    outcome, _, said = fit(without_lens, tmp_path / "out", ["camera"])
    assert (outcome.sets, outcome.rejected) == (0, 2) and "no CameraInfo: 1" in outcome.why
    assert any("images come, but no usable CameraInfo" in sentence for sentence in said)


def test_transforms_that_are_none_are_told_not_dropped_in_silence(tmp_path):
    source = write_bag(tmp_path / "in", ["left", "right"], w=0.3)
    outcome, _, said = fit(source, tmp_path / "out", ["left", "right"], "map")
    assert outcome.with_people == 0
    assert any("2 transforms of the bag are left out: the first, from 'left_optical' to 'map'" in each for each in said)


def test_cameras_are_found(tmp_path):
    with recording.open_bag(write_bag(tmp_path / "in", ["right", "front/left"])) as reader:
        assert cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info") == (["front/left", "right"], "raw")
        with pytest.raises(ValueError, match="no camera in this bag.*right/image_raw"):
            cameras_in(reader, "{camera}/image_color", "{camera}/camera_info")


def test_topics_without_a_cameras_name_are_one_camera(tmp_path):
    """Drivers that run alone publish /image_raw and /camera_info."""
    source, topics = write_bag(tmp_path / "in", [""]), ("--image-topic", "/image_raw", "--camera-info-topic", "/camera_info")
    with recording.open_bag(source) as reader:
        assert {"/image_raw", "/camera_info"} <= {each.topic for each in reader.connections}
        assert cameras_in(reader, "image_raw", "/camera_info") == (["camera"], "raw")
        with pytest.raises(
            ValueError, match="no camera in this bag.*{camera} standing for any name.*there are /camera_info"
        ):
            cameras_in(reader, "/image", "/camera_info")
    done = run_command(source, "--output", tmp_path / "out", *topics, *QUICK)
    assert done.returncode == 0 and "6 sets of images" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("sets, why", [(6, "its images are '16UC1'"), (0, "it holds no message")])
def test_why_no_camera_of_a_bag_is_used_is_in_the_error(tmp_path, monkeypatch, sets, why):
    """With many bags only the last sentence about each is told."""
    monkeypatch.setattr(sys.modules[__name__], "ENCODING", "16UC1")
    with recording.open_bag(write_bag(tmp_path / "in", ["depth"], sets=sets)) as reader:
        with pytest.raises(ValueError, match=f"no camera in this bag.*: /depth/image_raw is left out: {why}"):
            cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info")


def test_an_output_that_exists_is_left_alone(tmp_path):
    source = write_bag(tmp_path / "in", ["camera"], sets=1)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        fit(source, tmp_path / "out", ["camera"])


def test_a_run_that_is_cut_off_leaves_nothing_behind(tmp_path):
    source = write_bag(tmp_path / "in", ["camera"])

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), recording.open_bag(source) as reader:
        recording.fit_bag(reader, tmp_path / "out", fake_model(), NodeParameters(), "", True, print, stop)
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def run_command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "refit_ros", "bag", *map(str, arguments)], capture_output=True, text=True, timeout=600
    )


def test_the_command_from_outside_twice_with_equal_bytes(tmp_path):
    source = write_bag(tmp_path / "in", ["camera"], sets=3)
    for name in ("one", "two"):
        done = run_command(
            source, "--output", tmp_path / name, "--weights", "untrained", "--detector", "full_image", "--device", "cpu"
        )
        assert done.returncode == 0 and "3 sets of images" in done.stdout and "untrained" in done.stderr, done.stderr
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert len(read(tmp_path / "one")["/human/smpl"]) == 3


def test_images_that_come_into_no_set_are_told(tmp_path):
    """12 images within two seconds, whose stamps hold whole seconds."""
    source = write_bag(tmp_path / "in", ["camera"], sets=12, step_ns=150_000_000, whole_seconds=True)
    options = ("--weights", "untrained", "--detector", "full_image", "--device", "cpu")
    done = run_command(source, "--output", tmp_path / "out", *options)
    assert done.returncode == 0 and "0 messages rejected, 10 of 12 images in no set ->" in done.stdout, done.stdout
    said = [line for line in done.stderr.splitlines() if "in no set" in line]
    assert len(said) == 1 and "10 came after their set, or with a stamp no later than" in said[0]


def test_each_reason_why_images_are_in_no_set_is_told_with_its_number(tmp_path):
    source = write_bag(tmp_path / "in", ["left", "right"])
    outcome, _, _ = fit(source, tmp_path / "all", ["left", "right"], "map")
    assert (outcome.images, outcome.left_out, outcome.late, outcome.unmatched) == (12, 0, 0, 0)
    said = why_left_out(replace(outcome, left_out=6, late=1, unmatched=2))
    assert said.startswith("6 of 12 images are in no set: 1 came after their set")
    assert "; 2 had none of another camera at their time" in said and "; 3 had a time that cannot be" in said


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda path: None, "there is no bag"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b"nonsense"), "cannot be read"),
    ],
)
def test_what_is_no_bag_is_one_sentence(tmp_path, make, says):
    make(tmp_path / "in.mcap")
    done = run_command(tmp_path / "in.mcap", "--output", tmp_path / "out")
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_ros_is_not_needed(tmp_path):
    """Nothing of ROS is imported on the way."""
    source = write_bag(tmp_path / "in", ["camera"], sets=2)
    code = (
        "import sys\nfor name in ('rclpy', 'sensor_msgs', 'tf2_ros', 'rcl_interfaces'): sys.modules[name] = None\n"
        "from refit_ros.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "bag",
            str(source),
            "--output",
            str(tmp_path / "out"),
            "--weights",
            "untrained",
            "--detector",
            "full_image",
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr

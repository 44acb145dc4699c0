"""Whatever comes: dropped, counted, said at most once a second, never a crash, and good images go on."""

from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
import pytest
from node_fakes import fake_model, image_message, info_message, stamp_of

from refit_ros.node import conversions, images
from refit_ros.node.rejections import Rejected, Rejections

STAMP_NS = 1_700_000_000_000_000_000


def bad_images() -> dict:
    def changed(**fields):
        message = image_message(STAMP_NS)
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    whole = image_message(STAMP_NS).data
    unstamped = changed()
    unstamped.header.stamp = stamp_of(0)
    return {
        "unknown encoding": changed(encoding="rgb9"),
        "depth": changed(encoding="32FC1"),
        "no encoding": changed(encoding=""),
        "step too small": changed(step=64),
        "step of zero": changed(step=0),
        "step too large": changed(step=1000),
        "data too short": changed(data=whole[:-1]),
        "data too long": changed(data=whole + whole[:1]),
        "no data": changed(data=array.array("B")),
        "no width": changed(width=0),
        "no height": changed(height=0),
        "nothing": changed(width=0, height=0, step=0, data=array.array("B")),
        "huge": changed(width=2**32 - 1, height=2**32 - 1),
        "no stamp": unstamped,
        "another size": image_message(STAMP_NS, width=32),
        "no camera": None,
    }


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in (
            "unknown encoding",
            "depth",
            "no encoding",
            "step too small",
            "step of zero",
            "step too large",
            "data too short",
            "data too long",
            "no data",
            "no width",
            "no height",
            "nothing",
            "huge",
            "no stamp",
            "another size",
        )
    ],
)
def test_a_bad_image_is_dropped_and_counted_and_the_next_is_used(bench, kind):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    bench.publish("/camera/camera_info", info_message(STAMP_NS))
    bench.publish("/camera/image_raw", bad_images()[kind])
    bench.wait(lambda: bench.node._rejections.total == 1, "the rejection")
    bench.camera(STAMP_NS + 50_000_000)
    assert bench.wait(lambda: messages, "a message")[0].header.stamp == stamp_of(STAMP_NS + 50_000_000)
    assert bench.node._rejections.total == 1 and bench.node._tally.failed == 0


@pytest.mark.parametrize(
    "kind",
    [
        "zero focal length",
        "NaN focal length",
        "negative focal length",
        "infinite centre",
        "unknown distortion",
        "NaN distortion",
        "no size",
    ],
)
def test_bad_camera_info_is_counted_and_a_good_one_mends_it(bench, kind):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    focal = {"zero focal length": 0.0, "NaN focal length": float("nan"), "negative focal length": -60.0}.get(kind, 60.0)
    info = info_message(STAMP_NS, focal_px=focal)
    if kind == "infinite centre":
        info.k[2] = float("inf")
    if kind == "unknown distortion":
        info.distortion_model = "fun house"
    if kind == "NaN distortion":
        info.d = [float("nan")] * 5
    if kind == "no size":
        info.width = info.height = 0
    bench.publish("/camera/camera_info", info)
    bench.wait(lambda: bench.node._rejections.of("camera").get("bad CameraInfo"), "the rejection")
    bench.publish("/camera/image_raw", image_message(STAMP_NS))
    bench.publish("/camera/image_raw", image_message(STAMP_NS + 1))
    bench.wait(lambda: bench.node._rejections.of("camera").get("no CameraInfo"), "the rejected image")
    assert not messages
    bench.camera(STAMP_NS + 50_000_000)
    bench.wait(lambda: messages, "a message")


def test_the_first_image_may_come_before_its_camera_info(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    bench.publish("/camera/image_raw", image_message(STAMP_NS))
    bench.publish("/camera/camera_info", info_message(STAMP_NS))
    assert bench.wait(lambda: messages, "a message")[0].header.stamp == stamp_of(STAMP_NS)
    assert bench.node._rejections.total == 0


def test_a_broken_jpeg_leaves_its_view_out(bench):
    from refit_ros.msg import SmplArray
    from sensor_msgs.msg import CompressedImage

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), image_transport="compressed")
    bench.connected("/human/smpl")
    bench.publish("/camera/camera_info", info_message(STAMP_NS))
    for index, data in enumerate((b"", b"\xff\xd8 no image")):
        message = CompressedImage(format="jpeg", data=data)
        message.header.stamp = stamp_of(STAMP_NS + index)
        bench.publish("/camera/image_raw/compressed", message)
    bench.wait(lambda: bench.node._rejections.total == 2, "two rejections")
    message = bench.wait(lambda: messages, "a message")[0]
    assert not message.cameras and not message.people


def test_a_set_that_cannot_be_computed_ends_nothing(bench, capfd):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(fail=True))
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    bench.wait(lambda: bench.node._tally.failed == 1, "the failure")
    assert "told to fail" in capfd.readouterr().err
    bench.model.estimator.fail = False
    bench.camera(STAMP_NS + 50_000_000)
    bench.wait(lambda: messages, "a message")


def test_warned_at_most_once_a_second_of_each_kind():
    now, said = [0.0], []
    rejections = Rejections(said.append, lambda: now[0])
    for tick in range(30):
        now[0] = tick / 10
        rejections.add("left", "wrong step", "step is 3")
        rejections.add("left", "zero size", "0 x 0")
    assert len(said) == 6 and rejections.of("left") == {"wrong step": 30, "zero size": 30}
    assert said[-1] == "left: 0 x 0 (zero size: 21 so far)"


def test_the_log_is_bounded_whatever_comes_and_for_however_long():
    now, said = [0.0], []
    rejections = Rejections(said.append, lambda: now[0])
    for tick in range(6000):  # a minute of eight cameras, each with five faults of its own
        now[0] = tick / 100
        for camera in range(8):
            rejections.add(f"camera{camera}", f"fault {tick % 5}", "x" * 100_000, "y\n" * 100_000)
    lines = [line for text in said for line in text.splitlines()]
    assert len(said) < 50 and max(map(len, lines)) < 300 and sum(map(len, lines)) < 50_000


def test_a_line_of_the_log_is_one_line():
    said = []
    Rejections(said.append).add("left", "unknown encoding", "encoding 'a\nERROR\x1b[2J" + "b" * 10**6)
    assert "\n" not in said[0] and "\x1b" not in said[0] and len(said[0]) < 260


def test_decoders_say_nothing_themselves_and_what_others_say_is_kept(capfd):
    import os

    import cv2

    from refit_ros.node.silenced import decoders_silenced

    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for ending in (".jpg", ".png"):
        data = cv2.imencode(ending, noise)[1].tobytes()
        images.rgb_image(SimpleNamespace(format="x", data=data))
        try:
            images.rgb_image(SimpleNamespace(format="x", data=data[: len(data) // 2] + b"\0" * 40 + data[-40:]))
        except Rejected:
            pass
    with decoders_silenced():
        os.write(2, b"somebody else\n")
    assert capfd.readouterr().err == "somebody else\n"


ENCODINGS = {
    "rgb8": [10, 100, 200],
    "bgr8": [200, 100, 10],
    "8UC3": [200, 100, 10],
    "rgba8": [10, 100, 200, 255],
    "bgra8": [200, 100, 10, 255],
    "8UC4": [200, 100, 10, 255],
    "mono8": [77],
    "8UC1": [77],
}


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_become_rgb(encoding, padding):
    pytest.importorskip("sensor_msgs")
    pixel = ENCODINGS[encoding]
    rows = np.full((6, 8 * len(pixel) + padding), 9, np.uint8)
    rows[:, : 8 * len(pixel)] = pixel * 8
    message = image_message(STAMP_NS, 8, 6)
    message.encoding, message.step, message.data = encoding, rows.shape[1], array.array("B", rows.tobytes())
    image = images.rgb_image(message)
    assert image.dtype == np.uint8 and image.shape == (6, 8, 3)
    assert (image == ([77] * 3 if len(pixel) == 1 else [10, 100, 200])).all()


@pytest.mark.parametrize(
    "encoding", ["mono16", "rgb16", "bgr16", "bayer_rggb8", "bayer_grbg16", "yuv422", "yuv422_yuy2", "uyvy"]
)
def test_other_encodings_are_grey_where_all_is_grey(encoding):
    pytest.importorskip("sensor_msgs")
    wide = "16" in encoding
    values = {"mono": 1, "rgb1": 3, "bgr1": 3, "baye": 1}.get(encoding[:4], 2)
    message = image_message(STAMP_NS, 8, 6)
    level = 128 * 257 if wide else 128
    message.encoding, message.step = encoding, 8 * values * (2 if wide else 1)
    message.data = array.array("B", np.full(6 * 8 * values, level, "<u2" if wide else np.uint8).tobytes())
    image = images.rgb_image(message)
    assert image.shape == (6, 8, 3) and np.abs(image.astype(int) - 128).max() <= 3


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(
    "encoding, values, big", [("mono16", 1, False), ("mono16", 1, True), ("rgb16", 3, False), ("bgr16", 3, True)]
)
def test_sixteen_bits_that_hold_fewer_are_not_black(bits, encoding, values, big):
    pytest.importorskip("sensor_msgs")
    message = image_message(STAMP_NS, 8, 6)
    levels = np.full((6, 8 * values), 1 << (bits - 1), ">u2" if big else "<u2")
    levels[0, :values] = (1 << bits) - 1
    message.encoding, message.step, message.is_bigendian = encoding, 16 * values, int(big)
    message.data = array.array("B", levels.tobytes())
    image = images.rgb_image(message)
    assert image.dtype == np.uint8 and (image[1:] == 128).all() and (image[0, 0] == 255).all()


def test_boxes_of_a_polygon_need_two_corners_each():
    geometry_msgs = pytest.importorskip("geometry_msgs.msg")
    with pytest.raises(Rejected, match="two for each box"):
        message = geometry_msgs.PolygonStamped()
        message.polygon.points = [geometry_msgs.Point32()] * 3
        conversions.boxes(message)


def test_detections_of_the_wanted_class_become_boxes():
    def detection(class_id: str, score: float, x: float):
        hypothesis = SimpleNamespace(class_id=class_id, score=score)
        center = SimpleNamespace(position=SimpleNamespace(x=x, y=50.0), theta=0.0)
        return SimpleNamespace(
            results=[SimpleNamespace(hypothesis=hypothesis)], bbox=SimpleNamespace(center=center, size_x=20.0, size_y=40.0)
        )

    message = SimpleNamespace(detections=[detection("person", 0.9, 30.0), detection("chair", 0.8, 60.0)])
    found = conversions.boxes(message, "person")
    np.testing.assert_allclose(found.xyxy_px, [[20, 30, 40, 70]])
    np.testing.assert_allclose(found.confidence, [0.9])
    assert len(conversions.boxes(message, "").confidence) == 2
    assert conversions.boxes(SimpleNamespace(detections=[]), "person").xyxy_px.shape == (0, 4)

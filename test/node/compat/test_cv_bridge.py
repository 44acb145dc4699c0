import numpy as np
import pytest

PACKAGE = "cv_bridge"


@pytest.fixture
def bridge(compat_module):
    return compat_module.CvBridge()


def taken(height: int = 6, width: int = 8, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype)
    return values[..., 0] if channels == 1 else values


@pytest.mark.parametrize(
    "encoding, channels, dtype",
    [
        ("rgb8", 3, "uint8"),
        ("bgr8", 3, "uint8"),
        ("rgba8", 4, "uint8"),
        ("bgra8", 4, "uint8"),
        ("mono8", 1, "uint8"),
        ("mono16", 1, "uint16"),
        ("8UC1", 1, "uint8"),
        ("8UC3", 3, "uint8"),
        ("bayer_rggb8", 1, "uint8"),
        ("yuv422", 2, "uint8"),
        ("yuv422_yuy2", 2, "uint8"),
        ("32FC1", 1, "float32"),
    ],
)
def test_there_and_back_is_the_same(bridge, encoding, channels, dtype):
    image = taken(channels=channels) if dtype == "float32" else taken(channels=channels, dtype=dtype)
    image = image.astype(dtype)
    message = bridge.cv2_to_imgmsg(image, encoding)
    assert (message.height, message.width, message.encoding) == (6, 8, encoding)
    assert message.step == 8 * channels * image.itemsize and len(message.data) == message.step * 6
    for desired in ("passthrough", encoding):
        back = bridge.imgmsg_to_cv2(message, desired)
        assert back.dtype == image.dtype and back.shape == image.shape
        assert np.array_equal(back, image)


def test_colours_change_places(bridge):
    image = taken()
    assert np.array_equal(bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "bgr8"), "rgb8"), image[..., ::-1])
    grey = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(taken(channels=1), "mono8"), "rgb8")
    assert np.array_equal(grey, np.repeat(taken(channels=1)[..., None], 3, axis=2))
    with_alpha = taken(channels=4)
    assert np.array_equal(bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(with_alpha, "bgra8"), "rgb8"), with_alpha[..., 2::-1])


def test_sixteen_bits_become_eight(bridge):
    image = np.array([[0, 257, 65535, 32768]], np.uint16)
    seen = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "mono16"), "mono8").astype(int)
    assert np.abs(seen - [[0, 1, 255, 128]]).max() <= 1


@pytest.mark.parametrize("pattern, red", [("rggb", (0, 0)), ("bggr", (1, 1)), ("gbrg", (1, 0)), ("grbg", (0, 1))])
def test_bayer_patterns_put_red_where_red_was(bridge, pattern, red):
    mosaic = np.zeros((8, 8), np.uint8)
    mosaic[red[0] :: 2, red[1] :: 2] = 200  # a red taken
    colours = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(mosaic, f"bayer_{pattern}8"), "rgb8")[3:5, 3:5].mean(axis=(0, 1))
    assert colours[0] > 150 and colours[1] < 20 and colours[2] < 20


def test_yuv_pairs_become_the_colour_they_mean(bridge):
    y, u, v = 82, 90, 240  # red, in video range
    for encoding, four_bytes in (("yuv422", [u, y, v, y]), ("yuv422_yuy2", [y, u, y, v])):
        image = np.array([four_bytes * 4] * 4, np.uint8).reshape(4, 8, 2)
        colour = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, encoding), "rgb8")[1, 3].astype(int)
        assert np.abs(colour - (255, 0, 0)).max() < 10, encoding


def test_rows_longer_than_the_picture_are_cut(bridge):
    message = bridge.cv2_to_imgmsg(taken(width=8), "rgb8")
    message.width = 6  # the step stays that of 8 px
    assert np.array_equal(bridge.imgmsg_to_cv2(message, "rgb8"), taken(width=8)[:, :6])


def test_header_is_carried_over(bridge):
    from std_msgs.msg import Header

    message = bridge.cv2_to_imgmsg(taken(), "rgb8", header=Header(frame_id="camera_optical_frame"))
    assert message.header.frame_id == "camera_optical_frame"


def test_what_cannot_be_is_refused(bridge, compat_module):
    refused = compat_module.CvBridgeError
    with pytest.raises(refused):
        bridge.cv2_to_imgmsg(taken(), "mono8")
    with pytest.raises(refused):
        bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(taken(channels=1), "8UC1"), "rgb8")
    message = bridge.cv2_to_imgmsg(taken(), "rgb8")
    message.encoding = "no such encoding"
    with pytest.raises(refused):
        bridge.imgmsg_to_cv2(message, "rgb8")


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
@pytest.mark.parametrize("change", [{"height": 0}, {"width": 0}, {"step": 3}, {"height": 60}, {"width": 9}])
def test_sizes_that_do_not_fit_are_refused(bridge, compat_module, change):
    """The stand-in alone: the real one lets NumPy speak, or reads what is there."""
    message = bridge.cv2_to_imgmsg(taken(), "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(compat_module.CvBridgeError):
        bridge.imgmsg_to_cv2(message, "rgb8")


def test_png_is_kept_to_the_bit(bridge):
    image = taken()
    message = bridge.cv2_to_compressed_imgmsg(image, "png")
    assert "png" in message.format
    assert np.array_equal(bridge.compressed_imgmsg_to_cv2(message), image)
    assert np.array_equal(bridge.compressed_imgmsg_to_cv2(message, "rgb8"), image[..., ::-1])


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
@pytest.mark.parametrize("data", [b"", b"not a taken", b"\xff\xd8\xff\xe0 cut off"])
def test_bytes_that_are_no_picture_are_refused(bridge, compat_module, data):
    """The stand-in alone: the real one gives None or OpenCV's own error."""
    from sensor_msgs.msg import CompressedImage

    with pytest.raises(compat_module.CvBridgeError):
        bridge.compressed_imgmsg_to_cv2(CompressedImage(format="jpeg", data=data), "rgb8")


@pytest.mark.parametrize("compat_module", ["stand_in"], indirect=True)
def test_a_grey_jpeg_becomes_colour(bridge):
    message = bridge.cv2_to_compressed_imgmsg(np.full((16, 16), 100, np.uint8), "jpg")
    assert np.abs(bridge.compressed_imgmsg_to_cv2(message, "rgb8").astype(int) - 100).max() <= 1

"""Images from topics and files: nothing is decoded before its size was looked at; what people have is read upright."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from refit_ros.camera.image_bytes import WrongSize, decode_file_image, decode_topic_image
from refit_ros.camera.image_header import count_scans, read_header
from refit_ros.core.errors import InputError

SIZE = 48, 32  # width, height


def image() -> np.ndarray:
    """(32, 48, 3) uint8 RGB: red above left, green above right, blue below."""
    values = np.zeros((32, 48, 3), np.uint8)
    values[:16, :24, 0], values[:16, 24:, 1], values[16:, :, 2] = 220, 220, 220
    return values


def encoded(ending: str, values=None, options=()) -> bytes:
    return cv2.imencode(ending, (image() if values is None else values)[..., ::-1], list(options))[1].tobytes()


def png_header(width: int, height: int, bits: int = 8) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG that claims to be larger than it is, as 675 bytes did that took 6 GB."""
    content = bytearray(encoded(".jpg"))
    place = content.find(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".jp2"])
def test_the_size_is_read_without_decoding(ending):
    header = read_header(encoded(ending))
    assert (header.width_px, header.height_px) == SIZE
    assert np.abs(decode_file_image(encoded(ending)).image.astype(int) - image()).mean() < 12


def test_a_progressive_jpeg_and_one_with_comments():
    progressive = encoded(".jpg", options=[cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    commented = progressive[:2] + b"\xff\xfe" + struct.pack(">H", 50) + b"\xff\xc0" * 24 + progressive[2:]
    for content in (progressive, commented):
        assert (read_header(content).width_px, read_header(content).height_px) == SIZE
    assert count_scans(progressive) > 1


HUGE = {
    "jpeg": jpeg_of_size(65500, 16000),
    "png": png_header(30000, 30000),
    "png of 16 bits": png_header(9000, 9000, 16),
    "gif": b"GIF89a" + struct.pack("<HH", 65535, 16000) + bytes(900),
    "tiff": b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 256, 4, 1, 60000) + struct.pack("<HHII", 257, 4, 1, 60000),
    "bmp": b"BM" + bytes(12) + struct.pack("<III", 40, 60000, 60000) + bytes(100),
    "pnm": b"P5 60000 60000 255\n" + bytes(100),
    "webp": b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\xff\xff\x3f\xff\xff\x3f",
}


@pytest.mark.parametrize("name", HUGE)
def test_nothing_huge_is_decoded_from_anywhere(name, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    tracemalloc.start()  # what is asked for here; the process's own size says what earlier tests needed
    try:
        with pytest.raises(InputError):
            decode_topic_image(HUGE[name], SIZE)
        with pytest.raises(InputError, match=r"more than the limit of 64.*REFIT_LIMIT_IMAGE_MEGAPIXELS|a GIF image"):
            decode_file_image(HUGE[name])
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_of_a_topic_only_the_calibrations_size_and_only_jpeg_and_png_are_decoded():
    for ending in (".jpg", ".png"):
        assert decode_topic_image(encoded(ending), SIZE).image.shape == (32, 48, 3)
        with pytest.raises(WrongSize) as error:
            decode_topic_image(encoded(ending), (SIZE[1], SIZE[0]))
        assert error.value.size_px == SIZE
    for ending in (".bmp", ".webp", ".tif", ".ppm"):
        with pytest.raises(InputError, match="neither a JPEG nor a PNG"):
            decode_topic_image(encoded(ending), SIZE)


@pytest.mark.parametrize("name", [b"IDAT", b"tEXt", b"IEND"])
def test_a_png_whose_chunk_announces_gigabytes_is_not_believed(name, monkeypatch):
    sound = encoded(".png", options=[cv2.IMWRITE_PNG_COMPRESSION, 9])
    at = sound.find(b"IDAT") - 4
    bad = sound[:at] + struct.pack(">I", 2**31 - 8) + name + sound[at + 8 :]
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("memory would be taken for what is announced"))
    with pytest.raises(InputError, match="this PNG image is damaged; copy or download it again"):
        decode_topic_image(bad, SIZE)


def test_what_comes_after_the_end_of_a_png_is_no_chunk():
    assert decode_topic_image(encoded(".png") + b"\xff" * 20, SIZE).image.shape == (32, 48, 3)


def test_too_many_scans_are_refused():
    progressive = encoded(".jpg", options=[cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    last = progressive.rfind(b"\xff\xda")
    repeated = progressive[:last] + progressive[last:-2] * 200 + b"\xff\xd9"
    with pytest.raises(InputError, match="scans"):
        decode_topic_image(repeated, SIZE)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_16_bits_that_hold_fewer_are_not_black(bits):
    values = image().astype(np.uint16) << 8 >> (16 - bits)
    values[0, 0] = (1 << bits) - 1
    decoded = decode_file_image(encoded(".png", values))
    assert decoded.bits == bits and np.abs(decoded.image.astype(int) - image())[1:].max() <= 1


def test_grey_alpha_and_cmyk():
    grey = cv2.imencode(".png", np.full((32, 48), 90, np.uint8))[1].tobytes()
    assert (decode_file_image(grey).image == 90).all()
    alpha = np.dstack([image()[..., ::-1], np.full((32, 48), 128, np.uint8)])
    np.testing.assert_array_equal(decode_file_image(cv2.imencode(".png", alpha)[1].tobytes()).image, image())
    pillow = pytest.importorskip("PIL.Image")
    import io

    content = io.BytesIO()
    pillow.fromarray(image()).convert("CMYK").save(content, "JPEG", quality=95)
    assert np.abs(decode_file_image(content.getvalue()).image.astype(int) - image()).mean() < 25


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photograph_is_turned_upright_and_a_topics_image_is_not(orientation):
    pillow = pytest.importorskip("PIL.Image")
    import io

    content, exif = io.BytesIO(), pillow.Exif()
    exif[0x0112] = orientation
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    pillow.fromarray(np.rot90(image(), turns)).save(content, "JPEG", quality=95, exif=exif)
    upright = decode_file_image(content.getvalue()).image
    assert upright.shape == (32, 48, 3) and np.abs(upright.astype(int) - image()).mean() < 12
    stored = np.rot90(image(), turns)
    raw = decode_topic_image(content.getvalue(), (stored.shape[1], stored.shape[0])).image
    assert raw.shape == stored.shape


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_cut_image_is_told_as_cut(ending):
    whole = encoded(ending, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="cut off before its end"):
        decode_file_image(whole[: len(whole) // 2])


def test_other_files_are_named():
    for content, word in ((b"<html>", "a web page"), (b"%PDF-1", "a PDF"), (b"", "empty"), (b"hello there", "text")):
        with pytest.raises(InputError, match=word):
            decode_file_image(content)


def test_a_size_before_the_real_one_in_a_jpeg_2000_is_not_believed():
    plain = np.zeros((200, 100, 3), np.uint8)
    data = cv2.imencode(".jp2", plain)[1].tobytes()
    small = b"\xff\x4f\xff\x51" + struct.pack(">HHIIIIIIIIH", 47, 0, 8, 8, 0, 0, 8, 8, 0, 0, 3) + bytes([7, 1, 1] * 3)
    box = struct.pack(">I", 24 + len(small)) + b"uuid" + bytes(16) + small
    at = data.find(b"jp2c") - 4
    header = read_header(data[:at] + box + data[at:])
    assert (header.width_px, header.height_px) == (100, 200)
    assert read_header(data[:at] + struct.pack(">I", 0) + b"uuid" + data[at:]) is None


def test_a_comment_in_a_pnm_ends_where_the_decoder_ends_it():
    header = read_header(b"P4 #\r20000 30000\n10 10\n" + bytes(64))
    assert (header.width_px, header.height_px) == (20_000, 30_000)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [12, 16, 20])
def test_a_topics_image_cut_within_its_header_is_not_called_another_kind(ending, kept):
    whole = cv2.imencode(ending, np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    with pytest.raises(InputError, match="cut off or damaged|is cut off before its end") as refused:
        decode_topic_image(whole[:kept])
    assert "neither" not in str(refused.value)

"""Whatever reads a file of a stranger opens regular files only, looks at sizes first, says what is wrong in a sentence."""

from __future__ import annotations

import os
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest

from refit_ros.camera import image_bytes
from refit_ros.camera.rig import read_rig
from refit_ros.camera.videos import open_video
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import read_text


def rig(path):
    return read_rig(path)


def annotations(path):
    from refit_ros.evaluation.photograph_suite import read_annotations

    return read_annotations(path.parent)


def truth(path):
    from refit_ros.evaluation.recording_files import read_truth

    return read_truth(path.parent)


def frames(path):
    from refit_ros.evaluation.recording_files import read_frames

    return read_frames(path, {0})


def calibrated(path):
    from refit_ros.calibration.sources import _frames

    return list(_frames(path, 1))


def regressor(path):
    from refit_ros.core.body import load_body
    from refit_ros.training.real_evaluation import read_regressor

    return read_regressor(str(path), load_body())


def image(path):
    from refit_ros.library.images import rgb_image

    return rgb_image(path)


READERS = {
    "cameras.toml": rig,
    "people.json": annotations,
    "joints.trc": truth,
    "joints.c3d": truth,
    "camera.mp4": frames,
    "video.avi": calibrated,
    "regressor.npy": regressor,
    "photo.jpg": image,
}


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def make_link_to_a_device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(os.name != "posix", reason="pipes and sockets have names on POSIX alone")
@pytest.mark.parametrize("make", [make_pipe, make_socket, make_link_to_a_device, os.mkdir])
@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_are_opened(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(ValueError, match="is a (named pipe|socket|device|folder), not a file") as refused:
        READERS[name](tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["cameras.toml", "people.json", "joints.trc", "joints.c3d", "photo.jpg"])
def test_a_sparse_terabyte_is_not_read(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="limit of"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name, text", [("cameras.toml", "a = " + "[" * 100_000), ("people.json", "[" * 100_000)])
def test_brackets_in_brackets_are_one_sentence(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as refused:
        READERS[name](tmp_path / name)
    assert str(tmp_path / name) in str(refused.value) and "\n" not in str(refused.value)


def test_text_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "cameras.toml").write_bytes(b"\xff\xfe\x00c")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_text(tmp_path / "cameras.toml")


def png_header(width_px: int, height_px: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + bytes(64)


def test_an_image_as_large_as_its_calibration_is_refused_too_where_both_are_beyond_the_limit(monkeypatch):
    """Who sends the image may send the CameraInfo."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match="limit of 64"):
        image_bytes.decode_topic_image(png_header(30_000, 30_000), (30_000, 30_000))


def test_the_door_reads_images_as_the_command_does(tmp_path):
    """16 bits that hold 12 are not black."""
    grey = np.full((8, 8, 3), 0x0800, np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert (image(tmp_path / "grey.png") == 0x80).all()
    (tmp_path / "large.png").write_bytes(png_header(30_000, 30_000))
    with pytest.raises(ValueError, match="limit of 64"):
        image(tmp_path / "large.png")


def damaged_video(path, count: int = 12, frame: int = 3) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for index in range(count):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    begin = content.find(b"movi")
    for _ in range(frame + 1):
        begin = content.find(b"00dc", begin + 4)
    content[begin + 8 : begin + 200] = bytes(192)
    path.write_bytes(content)


def test_a_damaged_frame_is_not_the_end_of_a_recordings_or_calibrations_video(tmp_path):
    from refit_ros.calibration.sources import _frames
    from refit_ros.evaluation.recording_files import read_frames

    path = tmp_path / "video.avi"
    damaged_video(path)
    said: list[str] = []
    numbers = [number for number, _ in _frames(path, 1, said.append)]
    assert numbers == [0, 1, 2, *range(4, 12)]
    assert len(said) == 1 and str(path) in said[0] and "11 of 12 frames" in said[0]
    found = read_frames(path, {2, 3, 8})
    assert sorted(found) == [2, 8] and abs(int(found[8].mean()) - 160) < 4
    with open_video(path, 30.0) as video:
        assert video.told == 12 and video.rate_hz == 25.0


OTHERS = {  # what servers, tools and copies put in a file's place, and the words that tell it
    "json": (b'{"message": "Not Found"}', "JSON text"),
    "list": (b'[{"oid": 1}]', "JSON text"),
    "line": (b"Entry not found\n", "text"),
    "comment": (b"\n<!-- saved from the web --><html>", "a web page"),
    "wide": ("<html>".encode("utf-16"), "UTF-16"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
    "script": (b"#!/bin/sh\nexit 1\n", "text"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\nsize 1\n", "git lfs pull"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("ending", ["pkl", "npz", "pth", "safetensors", "mcap", "jpg"])
def test_what_a_file_is_instead_is_told_whatever_was_wanted(tmp_path, name, ending):
    from refit_ros.core.body_files import read_body
    from refit_ros.core.checkpoint import load_network
    from refit_ros.node.bag_files import find_bag

    content, words = OTHERS[name]
    path = tmp_path / f"{name}.{ending}"
    path.write_bytes(content)
    reader = {"pkl": read_body, "npz": read_body, "mcap": find_bag, "jpg": image}.get(ending, load_network)
    if ending == "jpg" and name == "picture":
        words = "PNG image is cut off"
    with pytest.raises(ValueError, match=words) as refused:
        reader(path)
    said = str(refused.value)
    assert str(path) in said and "\n" not in said and "PyTorch and save" not in said and "PERSID" not in said


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("kept", [12, 16, 20])
def test_an_image_cut_within_its_header_is_cut_off_and_not_of_another_kind(tmp_path, ending, kept):
    whole = cv2.imencode(ending, np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    (tmp_path / f"a{ending}").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match="image is cut off or damaged; copy or download it again|is cut off before its end"):
        image(tmp_path / f"a{ending}")

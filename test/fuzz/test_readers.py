"""Hypothesis changes the corpus and what is sound, byte by byte: every reader gives a value or one sentence.

Some seconds in the suite, the same changes at every run; REFIT_FUZZ_EXAMPLES=20000 (make fuzz) goes on for longer.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.image_bytes import decode_file_image, decode_topic_image
from refit_ros.core import body_files
from refit_ros.core.errors import InputError
from refit_ros.core.plain_checkpoint import open_checkpoint

CORPUS = Path(__file__).with_name("corpus")
EXAMPLES = int(os.environ.get("REFIT_FUZZ_EXAMPLES", "150"))
bounded = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES <= 150, suppress_health_check=list(HealthCheck)
)


def files(folder: str, largest: int = 20_000) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / folder).iterdir()) if path.stat().st_size < largest]


def images() -> list[bytes]:
    values = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    endings = (".jpg", ".png", ".webp", ".bmp", ".ppm", ".tif")
    return [cv2.imencode(ending, values)[1].tobytes() for ending in endings]


@st.composite
def changed(draw, sound: list[bytes]) -> bytes:
    """One of `sound`, some bytes of it replaced, removed or put in twice."""
    content = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["replace", "cut", "remove", "insert", "double"]))
        some = draw(st.binary(min_size=1, max_size=8))
        if how == "replace":
            content[at : at + len(some)] = some
        elif how == "cut":
            del content[at:]
        elif how == "remove":
            del content[at : at + draw(st.integers(1, 64))]
        elif how == "insert":
            content[at:at] = some
        else:
            content[at:at] = content[at : at + 64]
    return bytes(content)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


def takes_or_tells(read) -> None:
    try:
        read()
    except InputError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1500


@seed(1)
@bounded
@given(content=changed(files("bodies")))
def test_bodies(place, content):
    place.write_bytes(content)
    takes_or_tells(lambda: body_files.read_body(place))


def read_all(path: Path) -> None:
    with open(path, "rb") as file, open_checkpoint(path, file) as content:
        for value in (content.get("model", {}) if isinstance(content, dict) else {}).values():
            if hasattr(value, "read"):
                value.read()


@seed(2)
@bounded
@given(content=changed(files("weights")))
def test_checkpoints(place, content):
    place.write_bytes(content)
    takes_or_tells(lambda: read_all(place))


@seed(3)
@bounded
@given(content=changed(images()))
def test_images(content):
    takes_or_tells(lambda: decode_topic_image(content, (32, 24)))
    takes_or_tells(lambda: decode_file_image(content))


any_float = st.floats(width=64)


@seed(4)
@bounded
@given(
    k=st.lists(any_float, min_size=0, max_size=12),
    d=st.lists(any_float, max_size=15),
    width=st.integers(0, 2**32 - 1),
    height=st.integers(0, 2**32 - 1),
    model=st.sampled_from(["", "plumb_bob", "equidistant", "rational_polynomial", "x"]),
    rest=st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6),
)
def test_calibrations(k, d, width, height, model, rest):
    try:
        Calibration.from_camera_info_fields("camera", "frame", width, height, k, d, model, *rest)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.fixture(scope="module")
def model():
    return pytest.importorskip("node_fakes").fake_model()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Small bags as bytes, by ending."""
    pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    from test_recording import write_bag

    folder, found = tmp_path_factory.mktemp("bags"), {}
    for ending in (".mcap", ".db3"):
        bag = write_bag(folder / ending[1:], ["camera"], sets=1, mcap=ending == ".mcap")
        found[ending] = next(bag.glob(f"*{ending}")).read_bytes()
    return found


@seed(5)
@settings(bounded, max_examples=max(EXAMPLES // 3, 1))
@given(data=st.data(), ending=st.sampled_from([".mcap", ".db3"]))
def test_bags(recordings, place, model, data, ending):
    from refit_ros.node import recording
    from refit_ros.node.bag_cameras import cameras_in
    from refit_ros.node.parameters import NodeParameters

    bag, output = place.with_suffix(ending), place.with_name("people")
    bag.write_bytes(data.draw(changed([recordings[ending]])))
    try:
        with recording.open_bag(bag) as reader:
            names, transport = cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info")
            options = NodeParameters(cameras=tuple(names), image_transport=transport, fixed_frame="map")
            recording.fit_bag(reader, output, model, options, False, True, lambda _: None, lambda *_: None)
    except ValueError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1500
    finally:
        shutil.rmtree(output, ignore_errors=True)
    assert not list(place.parent.glob(".refit_*"))


@pytest.fixture(scope="module")
def joints(tmp_path_factory):
    """Small C3D files as bytes: numbers with a point, whole ones, and analog channels beside them."""
    pytest.importorskip("c3d", reason="c3d is not installed")
    from c3d_writing import write_c3d

    from refit_ros.evaluation.truth import LIMBS

    path, points = tmp_path_factory.mktemp("joints") / "joints.c3d", np.random.default_rng(0).normal(0, 500, (4, 12, 3))
    kinds = ({}, {"whole_numbers": True}, {"analog": np.ones((2, 3))})
    return [write_c3d(path, list(LIMBS), points, **options).read_bytes() for options in kinds]


@seed(6)
@bounded
@given(data=st.data())
def test_joints(joints, place, data):
    from refit_ros.evaluation.truth_c3d import read_c3d

    place.write_bytes(data.draw(changed(joints)))
    takes_or_tells(lambda: read_c3d(place))

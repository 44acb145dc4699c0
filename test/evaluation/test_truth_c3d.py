"""Joints as C3D: the same as those of a TRC, whatever units, axes, names, gaps and numbers the file has them in."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

from refit_ros.core.body import load_body
from refit_ros.core.errors import InputError
from refit_ros.evaluation.recording_files import read_truth
from refit_ros.evaluation.recording_suite import evaluate_recording
from refit_ros.evaluation.truth import LIMBS, limb_columns
from refit_ros.evaluation.truth_c3d import read_c3d

pytest.importorskip("c3d")
pytest.importorskip("cv2")
from c3d_writing import data_at, write_c3d  # noqa: E402
from test_recording_suite import FRAMES, NAMES, Estimates, places, write  # noqa: E402

MARKERS = ["Nose", *NAMES]


def world(frames: int = FRAMES) -> np.ndarray:
    """(T, 13, 3) m in the calibration's world: a nose at the origin, which no limb is, and the limbs."""
    return np.stack([np.concatenate([np.zeros((1, 3)), places(frame)]) for frame in range(frames)])


def y_up(points: np.ndarray) -> np.ndarray:
    return points[..., [1, 2, 0]]


def assert_places(truth, frames=range(FRAMES), within_m=1e-6):
    assert truth.names == LIMBS
    for frame in frames:
        assert np.allclose(truth.points[frame], places(frame), atol=within_m)


@pytest.mark.parametrize("units, scale", [("mm", 1000), ("mm  ", 1000), ("cm", 100), ("m", 1), ("Meters\0", 1)])
def test_units_are_those_that_the_file_tells(tmp_path, units, scale):
    truth = read_c3d(write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * scale, units=units))
    assert_places(truth)
    assert len(truth.points) == FRAMES and truth.rate_hz == 30.0


@pytest.mark.parametrize("axes", [("+X", "+Z"), ("+Y", "+Z"), ("-X", "+z"), None])
def test_a_file_with_z_up_is_in_the_calibrations_world_already(tmp_path, axes):
    assert_places(read_c3d(write_c3d(tmp_path / "joints.c3d", MARKERS, world() * 1000, axes=axes)))


def test_whole_numbers_as_pose2sim_writes_them_are_right_to_the_millimetre(tmp_path):
    points = y_up(world()) * 1000
    points[3, 5] = 0  # a gap: no number becomes zeros there, with a residual as that of a good point
    truth = read_c3d(write_c3d(tmp_path / "joints.c3d", MARKERS, points, whole_numbers=True))
    assert_places(truth, set(range(FRAMES)) - {3}, within_m=0.001)
    gaps = np.isnan(truth.points).all(-1)
    assert gaps[3, 4] and gaps.sum() == 1


def test_gaps_are_no_places(tmp_path):
    points = y_up(world()) * 1000
    points[1] = np.nan
    points[2, 1] = np.nan
    path = write_c3d(tmp_path / "joints.c3d", MARKERS, points)
    content = bytearray(path.read_bytes())
    struct.pack_into("<3f", content, data_at(content) + 16 * (4 * len(MARKERS) + 2), np.nan, 1.0, 2.0)
    path.write_bytes(content)
    truth = read_c3d(path)
    assert_places(truth, {0, 3, 5})
    gaps = np.isnan(truth.points).all(-1)
    assert gaps[1].all() and gaps[2, 0] and gaps[4, 1] and gaps.sum() == len(LIMBS) + 2


def numbered(content: bytes, first: int) -> bytes:
    """The file whose first frame has another number."""
    content = bytearray(content)
    for name, number in ((b"ACTUAL_START_FIELD", first), (b"ACTUAL_END_FIELD", first + FRAMES - 1)):
        struct.pack_into("<I", content, content.index(name) + len(name) + 5, number)
    return bytes(content)


def test_frames_have_the_numbers_that_the_file_gives_them(tmp_path):
    """A trial that was cut begins with a later frame; one beyond 65535 has its number in two halves."""
    cut = read_c3d(write_c3d(tmp_path / "cut.c3d", MARKERS, y_up(world()) * 1000, first=41))
    assert len(cut.points) == 40 + FRAMES and np.isnan(cut.points[:40]).all()
    assert np.allclose(cut.points[42], places(2), atol=1e-6)
    path = write_c3d(tmp_path / "late.c3d", MARKERS, y_up(world()) * 1000)
    path.write_bytes(numbered(path.read_bytes(), 70_001))
    late = read_c3d(path)
    assert len(late.points) == 70_000 + FRAMES and np.isfinite(late.points).any((1, 2)).sum() == FRAMES
    assert np.allclose(late.points[70_002], places(2), atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        [f"Walker:{name}" for name in NAMES],
        list(LIMBS),
        [name.upper() for name in NAMES],
        [f"{name[0]}{name[1]}JC" for name in NAMES],  # RHJC, as of CGM
    ],
)
def test_names_of_many_tools_are_known(tmp_path, names):
    assert_places(read_c3d(write_c3d(tmp_path / "joints.c3d", ["Other:*114", *names], y_up(world()) * 1000)))


def test_labels_beyond_255_are_read(tmp_path):
    names = [f"M{index}" for index in range(290)]
    names[255:255] = NAMES
    points = np.ones((FRAMES, len(names), 3))
    points[:, 255 : 255 + len(NAMES)] = y_up(world())[:, 1:]
    assert_places(read_c3d(write_c3d(tmp_path / "joints.c3d", names, points, units="m")))


def test_analog_channels_hinder_nothing(tmp_path):
    """Those of force plates, four samples a frame, whose offsets are of another kind than the library takes."""
    path = write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000, analog=np.ones((3, 4)))
    content = path.read_bytes()
    at = content.index(b"OFFSET") + 8  # bytes an element, how many sizes, the size; the description follows
    assert content[at : at + 3] == b"\x02\x01\x00"
    path.write_bytes(content[:at] + b"\x04\x01\x01" + content[at + 3 :])
    assert_places(read_c3d(path))


def test_a_recording_gives_the_same_figures_as_trc_and_as_c3d(tmp_path):
    write(tmp_path)
    as_trc = evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), every=1)
    (tmp_path / "joints.trc").unlink()
    write_c3d(tmp_path / "Walk 01.C3D", MARKERS, y_up(world()) * 1000)
    assert evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), every=1) == as_trc
    assert as_trc[-1]["median_mm"] == 10.0


@pytest.mark.parametrize("rate_hz, fits", [(120.0, False), (29.97, True), (30.0, True)])
def test_points_of_another_rate_than_the_videos_are_told(tmp_path, rate_hz, fits):
    write(tmp_path, 1)
    (tmp_path / "joints.trc").unlink()
    write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000, rate_hz=rate_hz)
    if fits:
        assert len(evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body())) == 1
        return
    with pytest.raises(InputError, match=r"120 rows a second \(POINT:RATE\), and the videos 30 frames"):
        evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body())


def test_of_both_files_the_trc_is_taken_where_one_is_a_copy_of_the_other(tmp_path):
    write(tmp_path, 1)
    copy = write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000 + 7)
    assert np.allclose(read_truth(tmp_path).points[2], places(2), atol=1e-5)
    copy.rename(tmp_path / "other.c3d")
    with pytest.raises(InputError, match=r"2 .trc and .c3d files \(joints.trc, other.c3d\).*leave that one there"):
        read_truth(tmp_path)
    (tmp_path / "joints.trc").unlink()
    (tmp_path / "other.c3d").unlink()
    with pytest.raises(InputError, match="0 .trc and .c3d files; .*put it there"):
        read_truth(tmp_path)


def test_axes_that_lay_people_on_their_side_are_doubted(tmp_path):
    heights = {"hip": 0.9, "knee": 0.5, "ankle": 0.1, "shoulder": 1.4, "elbow": 1.1, "wrist": 0.9}
    standing = np.array([[0.1, 0.2, heights[name.split("_")[1]]] for name in LIMBS])[None]
    right = read_c3d(write_c3d(tmp_path / "right.c3d", NAMES, standing * 1000, axes=("+X", "+Z")))
    assert right.doubt == ""
    wrong = read_c3d(write_c3d(tmp_path / "wrong.c3d", NAMES, standing * 1000, axes=("+X", "+Y")))
    assert "wrong.c3d: shoulders are mostly not above ankles" in wrong.doubt


def test_that_people_lie_on_their_side_is_said_before_the_figures(tmp_path):
    write(tmp_path, 1)
    upright = world()
    upright[:, 1:, 2] = [0.9, 0.9, 0.5, 0.5, 0.1, 0.1, 1.4, 1.4, 1.1, 1.1, 0.9, 0.9]
    (tmp_path / "joints.trc").unlink()
    write_c3d(tmp_path / "joints.c3d", MARKERS, upright * 1000, axes=("+X", "+Y"))
    said: list[str] = []
    evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), say=said.append)
    assert "joints.c3d: shoulders are mostly not above ankles" in said[0]


@pytest.mark.parametrize(
    "options, told",
    [
        ({"units": "inch"}, r"its unit \(POINT:UNITS\) is 'inch', not m, cm or mm"),
        ({"units": " "}, r"its unit \(POINT:UNITS\) is '', not"),
        ({"axes": ("+Z", "-Y")}, r"its axis '-Y' points up \(POINT:Y_SCREEN\)"),
    ],
)
def test_what_the_file_tells_and_cannot_be_is_one_sentence(tmp_path, options, told):
    with pytest.raises(InputError, match=told) as refused:
        read_c3d(write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000, **options))
    assert "\n" not in str(refused.value)


def test_markers_on_the_skin_and_several_people_are_told():
    with pytest.raises(InputError, match="0 are limbs' joints .* write joints' centres"):
        limb_columns(["LASI", "RASI", "LKNE", "RKNE", "LANK", "RANK", "LSHO", "RSHO"], "walk.c3d")
    both = [f"{person}:{name}" for person in ("Ann", "Bob") for name in NAMES]
    with pytest.raises(InputError, match=r"walk.c3d has the joints of 2 people \(Ann, Bob\)"):
        limb_columns(both, "walk.c3d")
    assert limb_columns([*both[:6], "Bob:RHip"], "walk.c3d") == {name: index for index, name in enumerate(LIMBS[:6])}
    bones = ["LFEP", "RFEP", "LFEO", "RFEO", "LTIO", "RTIO", "LHipAngles", "RFEOX"]
    assert limb_columns(bones, "walk.c3d") == {name: index for index, name in enumerate(LIMBS[:6])}


def cut(content: bytes) -> bytes:
    return content[: data_at(content) + 1000]


def unknown_processor(content: bytes) -> bytes:
    return content[:515] + b"\x07" + content[516:]


def endless_labels(content: bytes) -> bytes:
    """Labels of no bytes with seven sizes of 255: 7e16 of them."""
    at = content.index(b"LABELS") + 8  # bytes an element, how many sizes, the sizes
    return content[:at] + b"\x00\x07" + b"\xff" * 7 + content[at + 9 :]


@pytest.mark.parametrize(
    "change, told",
    [
        (cut, "tells 6 frames and has 4: it was not fully written"),
        (lambda content: b"", "is no C3D: it is empty"),
        (lambda content: content[:300], "is no C3D: it is something else, or cut off"),
        (lambda content: content[:600], "is damaged"),
        (lambda content: b"\x89PNG\r\n\x1a\n" + content[8:], "is no C3D: it is a PNG image"),
        (lambda content: bytes(2000), "is no C3D: it is only zeros"),
        (unknown_processor, "of no known processor"),
        (endless_labels, "POINT:LABELS is cut off"),
        (lambda content: numbered(content, 2_000_000), "its frames have the numbers 2000000 to 2000005"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path, change, told):
    path = write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=told) as refused:
        read_c3d(path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def test_what_is_missing_to_read_it_is_named(tmp_path, monkeypatch):
    from refit_ros.__main__ import _sentence

    path = write_c3d(tmp_path / "joints.c3d", MARKERS, y_up(world()) * 1000)
    monkeypatch.setitem(sys.modules, "c3d", None)
    with pytest.raises(ModuleNotFoundError) as missing:
        read_c3d(path)
    assert _sentence(missing.value).startswith("c3d is not installed: `pip install c3d` brings it")

"""What people bring to `fit`: damaged and cut videos, names of all kinds, files that are none."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from refit_ros.__main__ import main
from refit_ros.commands import EXIT_BAD_INPUT, EXIT_NOT_WELL, EXIT_OK
from refit_ros.commands.frames import list_sources, read_frames


def make_video(path, fourcc: str = "MJPG", count: int = 12) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 25.0, (64, 48))
    for index in range(count):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()


def frames_of(*paths, sequence: bool = False):
    said: list[str] = []
    found = list(read_frames(list_sources(paths, sequence, said.append), 1, said.append, said.append))
    return found, said


def damage(path, frame: int) -> None:
    content = bytearray(path.read_bytes())
    begin = content.find(b"movi")
    for _ in range(frame + 1):
        begin = content.find(b"00dc", begin + 4)
    content[begin + 8 : begin + 200] = bytes(192)
    path.write_bytes(content)


def test_a_damaged_frame_keeps_its_number_and_the_rest_goes_on(tmp_path):
    make_video(tmp_path / "walk.avi")
    damage(tmp_path / "walk.avi", 3)
    found, said = frames_of(tmp_path / "walk.avi")
    numbers = [0, 1, 2, *range(4, 12)]
    assert [frame.name for frame in found] == [f"walk_{number:06d}" for number in numbers]
    np.testing.assert_allclose([frame.image.mean() for frame in found], [20 * number for number in numbers], atol=6)
    np.testing.assert_allclose([frame.stamp_s for frame in found], [number / 25 for number in numbers])
    assert len(said) == 1 and "11 of 12 frames" in said[0]


def test_a_video_cut_in_half_is_told(tmp_path):
    make_video(tmp_path / "walk.avi")
    content = (tmp_path / "walk.avi").read_bytes()
    (tmp_path / "walk.avi").write_bytes(content[:6830])
    found, said = frames_of(tmp_path / "walk.avi")
    assert 3 <= len(found) < 12 and f"{len(found)} of 12 frames" in said[0]


CONTAINERS = [
    ("avi", "XVID"),
    ("3gp", "mp4v"),
    ("ts", "mp4v"),
    ("mts", "mp4v"),
    ("wmv", "WMV2"),
    ("asf", "WMV2"),
    ("flv", "FLV1"),
    ("mkv", "MJPG"),
    ("webm", "VP80"),
    ("mp4", "mp4v"),
    ("mov", "mp4v"),
    ("mpg", "PIM1"),
    ("vob", "PIM1"),
]


@pytest.mark.parametrize("share", [0.5, 0.93, 0.999])
@pytest.mark.parametrize("ending, fourcc", CONTAINERS)
def test_a_video_cut_at_any_place_is_told_whatever_its_container(tmp_path, ending, fourcc, share):
    whole, cut = tmp_path / f"walk.{ending}", tmp_path / f"cut.{ending}"
    make_noise(whole, fourcc)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(len(content) * share) // 4 * 4 + 1])
    found, said = frames_of(whole)
    assert len(found) == 12 and not said
    found, said = frames_of(cut)
    assert len(said) == 1 and str(cut) in said[0], said


def make_noise(path, fourcc: str) -> None:
    """Frames of some size, so that most of a cut file is frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 25.0, (160, 128))
    random = np.random.default_rng(0)
    for _ in range(12):
        writer.write(random.integers(0, 256, (128, 160, 3), np.uint8))
    writer.release()


@pytest.mark.parametrize("ending, fourcc", [*CONTAINERS, ("y4m", "I420"), ("nut", "mp4v"), ("mxf", "mpg2"), ("m2v", "mpg2")])
def test_a_video_is_one_by_what_it_holds(tmp_path, ending, fourcc):
    make_video(tmp_path / f"walk.{ending}", fourcc)
    os.rename(tmp_path / f"walk.{ending}", tmp_path / "walk.data")
    found, said = frames_of(tmp_path / "walk.data")
    assert len(found) == 12 and not said


def test_a_folder_is_taken_in_natural_order(tmp_path):
    for number in (1, 2, 3, 10, 11, 12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("2 before 10")
    found, said = frames_of(tmp_path, sequence=True)
    assert [frame.name for frame in found] == ["1", "2", "3", "10", "11", "12"] and not said


@pytest.mark.parametrize(
    "name, beginning, what",
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "an HEIC or AVIF image"),
        ("IMG_2.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "an HEIC or AVIF image"),
        ("wave.gif", b"GIF89a\x10\0\x10\0\xf7\0\0", "a GIF image"),
    ],
)
def test_a_picture_in_a_folder_that_cannot_be_read_is_told(tmp_path, name, beginning, what):
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / name).write_bytes(beginning + bytes(600))
    (tmp_path / "notes.txt").write_text("nothing that is meant")
    found, said = frames_of(tmp_path)
    assert [frame.name for frame in found] == ["one"]
    assert len(said) == 1 and name in said[0] and what in said[0] and "save it as JPEG" in said[0]


def test_natural_order_looks_at_numbers_before_capitals(tmp_path):
    for name in ("IMG_2", "img_1", "img_10", "IMG_9", "a2b10", "a2b9", "a10b1"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((8, 8, 3), np.uint8))
    found, _ = frames_of(tmp_path, sequence=True)
    assert [frame.name for frame in found] == ["a2b9", "a2b10", "a10b1", "img_1", "IMG_2", "IMG_9", "img_10"]


def test_what_cannot_be_read_is_told_before_anything_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("refit_ros.commands.fit.load_network_from", lambda _: pytest.fail("loaded"))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<!doctype html><title>404</title>")
    os.mkfifo(tmp_path / "pipe.png")
    paths = [str(tmp_path), "/dev/zero", str(tmp_path / "none.png")]
    assert main(["fit", *paths, "--output", str(tmp_path / "out")]) == EXIT_NOT_WELL
    said = capsys.readouterr().err
    for word in ("empty", "a web page", "a named pipe", "a device", "there is no such file"):
        assert word in said, said
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_not_utf_8_is_fitted_and_printed(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    make_video(tmp_path / "v.avi", count=2)
    for plain, strange in ((b"a.png", b"a\xff.png"), (b"v.avi", b"v\xff.avi")):
        os.rename(os.path.join(os.fsencode(tmp_path), plain), os.path.join(os.fsencode(tmp_path), strange))
    code = main(
        [
            "fit",
            str(tmp_path),
            "--output",
            str(tmp_path / "out"),
            "--weights",
            "untrained",
            "--device",
            "cpu",
            "--detector",
            "full_image",
        ]
    )
    assert code == 0 and "a\\udcff: 1 person" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("*.npz"))) == 3 and not list((tmp_path / "out").glob(".refit_*"))


def test_a_frame_that_cannot_be_written_leaves_nothing_half_made(tmp_path):
    from refit_ros.core.plain_files import whole_file

    with pytest.raises(RuntimeError), whole_file(tmp_path / "x.npz") as file:
        file.write(b"half")
        raise RuntimeError("the disk is full")
    assert list(tmp_path.iterdir()) == []


def test_decoders_say_nothing_beside_the_sentence(tmp_path):
    import subprocess
    import sys

    (tmp_path / "page.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    (tmp_path / "broken.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(100))
    whole = cv2.imencode(".png", np.zeros((480, 640, 3), np.uint8))[1].tobytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    command = [sys.executable, "-m", "refit_ros", "fit", str(tmp_path), "--output", str(tmp_path / "out")]
    options = ["--weights", "untrained", "--device", "cpu", "--detector", "full_image"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == EXIT_NOT_WELL and len(lines) == 4, done.stderr
    assert all(line.startswith(("refit_ros: ", "note: ")) for line in lines), done.stderr


def test_a_page_called_video_is_called_a_page_where_a_video_is_opened(tmp_path):
    from refit_ros.camera.videos import open_video

    (tmp_path / "walk.mp4").write_text("<!doctype html><title>404</title>")
    with pytest.raises(ValueError, match="walk.mp4: this video cannot be opened: it is a web page"):
        with open_video(tmp_path / "walk.mp4", 30.0):
            pass


def fit_quickly(*arguments) -> int:
    quick = ("--weights", "untrained", "--device", "cpu", "--detector", "full_image")
    return main(["fit", *map(str, arguments), *quick])


def test_frames_of_another_video_of_that_name_are_not_written_among(tmp_path, capsys):
    for folder, count in (("long", 6), ("short", 4)):
        (tmp_path / folder).mkdir()
        make_video(tmp_path / folder / "walk.avi", count=count)
    output = tmp_path / "out"
    assert fit_quickly(tmp_path / "long" / "walk.avi", "--output", output, "--no-overlay") == EXIT_OK
    before = {file: file.stat().st_mtime_ns for file in output.iterdir()}
    for arguments, count in (([tmp_path / "short" / "walk.avi"], 2), ([tmp_path / "long" / "walk.avi", "--every", 2], 3)):
        capsys.readouterr()
        assert fit_quickly(*arguments, "--output", output) == EXIT_BAD_INPUT
        said = capsys.readouterr().err.splitlines()[-1]
        assert f"holds {count} frames of an earlier run" in said and "remove walk_*" in said
    assert {file: file.stat().st_mtime_ns for file in output.iterdir()} == before
    assert fit_quickly(tmp_path / "long" / "walk.avi", "--output", output, "--no-overlay") == EXIT_OK, (
        "all of them once more"
    )


def test_a_frame_that_could_be_read_then_and_not_now_is_told(tmp_path, capsys):
    make_video(tmp_path / "walk.avi", count=6)
    assert fit_quickly(tmp_path / "walk.avi", "--output", tmp_path / "out", "--no-overlay") == EXIT_OK
    damage(tmp_path / "walk.avi", 3)
    assert fit_quickly(tmp_path / "walk.avi", "--output", tmp_path / "out", "--no-overlay") == EXIT_NOT_WELL
    assert "walk_000003.npz is of an earlier run" in capsys.readouterr().err

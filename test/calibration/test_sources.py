"""Where the images come from, what a camera's looker keeps of them, and the command around both."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_tracks import NAMES, rig, tracks, walker

from refit_ros.__main__ import main
from refit_ros.calibration import sources
from refit_ros.calibration.look import Looker
from refit_ros.camera.rig import differences, read_rig, write_rig
from refit_ros.estimation.types import People, Person, PersonView

TWO = rig((3.8, 0, 1.7), (0, 4.0, 2.2))
SIZE = 64, 48


def film(folder, frames: int = 7, rates=(30.0, 30.0)) -> None:
    """Two videos whose grey says which frame it is, and their lenses."""
    for index, rate in enumerate(rates):
        video = cv2.VideoWriter(str(folder / f"cam{index}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), rate, SIZE)
        for frame in range(frames):
            video.write(np.full((SIZE[1], SIZE[0], 3), 20 + 14 * frame, np.uint8))
        video.release()
    (folder / "lenses.toml").write_text(
        "".join(
            f'[cam{i}]\nname = "cam{i}"\nsize = [{SIZE[0]}, {SIZE[1]}]\nmatrix = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]\n'
            "distortions = [0, 0, 0, 0]\n"
            for i in range(2)
        )
    )


def test_videos_are_thinned_and_their_frames_belong_together(tmp_path):
    film(tmp_path)
    source = sources.videos(tmp_path, 10.0, print)
    assert [each.name for each in source.calibrations] == ["cam0", "cam1"] and source.said is None
    found = [
        (moment, camera, round(time, 3), round((image.mean() - 20) / 14)) for moment, camera, time, image in source.images()
    ]
    assert found == [(m, camera, round(3 * m / 30, 3), 3 * m) for camera in range(2) for m in range(3)]


def test_videos_of_different_rates_are_told(tmp_path):
    film(tmp_path, rates=(30.0, 25.0))
    with pytest.raises(ValueError, match=r"25\.0, 30\.0 frames a second"):
        sources.videos(tmp_path, 10.0, print)


class Seen:
    """An estimator that sees one person, standing, at each image; or what it is told."""

    def __init__(self) -> None:
        self.left_out: dict[str, str] = {}

    def estimate(self, views) -> People:
        joints = np.tile([0.0, 0.0, 4.0], (24, 1)) + np.linspace(-0.9, 0.9, 24)[:, None] * [0.1, 1, 0]
        joints[5] = [9.0, 0, 4]  # out of the image
        view = PersonView("cam0", "cam0_optical", np.array([300.0, 100, 340, 370]), np.zeros(3), 0.0)
        zeros, turns, ones = np.zeros(3), np.tile(np.eye(3), (24, 1, 1)), np.ones(24)
        person = Person(
            3, 0.9, np.zeros(10), zeros, np.zeros((23, 3)), zeros, joints, turns, 0.02 * ones, ones.astype(bool), (view,)
        )
        return People(views[0].stamp_s, (person,), ("cam0",), self.left_out)


def test_a_looker_keeps_rays_and_guesses():
    estimator = Seen()
    looker = Looker(0, TWO.calibrations[0], estimator, growth=lambda betas: 1.1)
    image = np.zeros((480, 640, 3), np.uint8)
    assert looker.look(image, 4, 0.4) == 1 and not looker.tracks()  # a moment is no track
    for moment in (5, 7):
        looker.look(image, moment, moment / 10)
    (track,) = looker.tracks()
    assert track.moments.tolist() == [4, 5, 7] and track.rays.shape == (3, 24, 2)
    np.testing.assert_allclose(track.points_m[0, 0], 1.1 * np.array([-0.09, -0.9, 4]))
    np.testing.assert_allclose(track.rays[0, 0], np.array([-0.09, -0.9]) / 4)
    np.testing.assert_allclose(track.tolerance, 0.012 * 270 / 600)
    assert track.weight[0, 5] == 0 and track.weight[0].sum() == 23
    estimator.left_out = {"cam0": "image is too small"}
    with pytest.raises(ValueError, match="cam0: image is too small"):
        looker.look(image, 8, 0.8)


class Told:
    """In place of a looker: says what it would have seen."""

    names = NAMES

    def __init__(self, camera: int) -> None:
        self.camera, self.moments = camera, []

    def look(self, image, moment, stamp_s) -> int:
        self.moments.append(moment)
        return 1

    def tracks(self) -> list:
        return [each for each in tracks([walker(len(self.moments))], TWO) if each.camera == self.camera]


def test_the_command_writes_what_it_finds(tmp_path, monkeypatch, capsys):
    from refit_ros.commands import calibrate

    film(tmp_path, frames=16)
    monkeypatch.setattr(calibrate, "_lookers", lambda args, source: [Told(0), Told(1)])
    apart = str(np.linalg.norm(TWO.relative()[1, :3, 3]))
    output = tmp_path / "out" / "rig.toml"
    arguments = ["--rate", "30", "--output", str(output), "--distance", "cam0", "cam1", apart]
    assert main(["calibrate", str(tmp_path), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "1 person in 16 sets" in printed and f"extrinsics:={output}" in printed and "| cam1 |" in printed
    degrees, metres = differences(read_rig(output), TWO)
    assert degrees.max() < 0.01 and metres.max() < 0.003


def refused(capsys, *arguments) -> str:
    assert main(["calibrate", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_done_is_told(tmp_path, capsys):
    film(tmp_path)
    assert "--output FILE, --publish" in refused(capsys, tmp_path)
    output = "--output", tmp_path / "x.toml"
    assert "no camera 'cam9'; there are cam0, cam1" in refused(capsys, tmp_path, *output, "--first", "cam9")
    assert "'far' m: give a number" in refused(capsys, tmp_path, *output, "--distance", "cam0", "cam1", "far")
    written = tmp_path / "elsewhere" / "rig.toml"
    written.parent.mkdir()
    write_rig(written, TWO)
    assert "add --publish" in refused(capsys, written, *output)
    assert "no bag" in refused(capsys, tmp_path / "nothing", *output)
    (tmp_path / "cam1.avi").write_bytes(b"")
    assert "cam1.avi: this video cannot be opened" in refused(capsys, tmp_path, *output)

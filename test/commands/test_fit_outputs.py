"""What `fit` must leave alone in the folder that it writes into."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from refit_ros.__main__ import main
from refit_ros.commands import EXIT_BAD_INPUT, EXIT_OK

QUICK = ("--weights", "untrained", "--device", "cpu", "--detector", "full_image")


def picture(path) -> bytes:
    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    return path.read_bytes()


def fit(*arguments) -> int:
    return main(["fit", *map(str, arguments), *QUICK])


def sentence(capsys) -> str:
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refit_ros:")]
    assert len(said) == 1, said
    return said[0]


@pytest.mark.parametrize("given", [["p.jpg", "p_overlay.jpg"], ["p.jpg"], ["."], ["link.jpg", "p.jpg"]])
def test_an_image_is_never_written_over(tmp_path, capsys, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "p.jpg")
    own = picture(tmp_path / "p_overlay.jpg")
    if "link.jpg" in given:
        (tmp_path / "link.jpg").symlink_to("p_overlay.jpg")
    assert fit(*given, "--output", ".") == EXIT_BAD_INPUT
    said = sentence(capsys)
    assert "p_overlay.jpg would be written over" in said and "--no-overlay" in said
    assert (tmp_path / "p_overlay.jpg").read_bytes() == own and not list(tmp_path.glob("*.npz"))
    assert fit(*given, "--output", ".", "--no-overlay") == EXIT_OK
    assert fit(".", "--output", "elsewhere") == EXIT_OK
    assert (tmp_path / "p_overlay.jpg").read_bytes() == own


def test_a_second_run_takes_no_overlay_of_its_own_for_an_image(tmp_path):
    picture(tmp_path / "p.jpg")
    for _ in range(2):
        assert fit(tmp_path, "--output", tmp_path) == EXIT_OK
        assert sorted(each.name for each in tmp_path.iterdir()) == ["p.jpg", "p.npz", "p_overlay.jpg"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied", "x")])
def test_where_nothing_can_be_written_the_run_ends_with_one_sentence(tmp_path, capsys, monkeypatch, error):
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)
    tries = []

    def full(path):
        tries.append(path)
        raise error

    monkeypatch.setattr("refit_ros.core.plain_files.whole_file", full)
    assert fit(tmp_path, "--output", tmp_path / "out") == EXIT_BAD_INPUT
    said = sentence(capsys)
    assert f"{tmp_path / 'out'} cannot be written into ({error.strerror.lower()})" in said and "Errno" not in said
    assert len(tries) == 1

"""Images of a bag, as sets for calibration."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "node"))  # test_recording: how a bag is written

from test_recording import START_NS, STEP_NS, write_bag  # noqa: E402

from refit_ros.__main__ import main  # noqa: E402
from refit_ros.calibration import sources  # noqa: E402
from refit_ros.core.errors import InputError  # noqa: E402


def test_sets_of_a_bag_are_thinned_and_have_their_lenses(tmp_path):
    path = write_bag(tmp_path / "in", ["left", "right"])
    source = sources.bag(path, 1000.0, None, None, print)
    assert [each.name for each in source.calibrations] == ["left", "right"] and source.said is None
    assert [each.frame_id for each in source.calibrations] == ["left_optical", "right_optical"]
    assert source.calibrations[0].focal_px == 60
    found = list(source.images())
    assert [(moment, camera) for moment, camera, _, _ in found] == [(m, c) for m in range(1, 7) for c in (0, 1)]
    for moment, _, stamp_s, image in found:
        assert stamp_s == pytest.approx((START_NS + (moment - 1) * STEP_NS) * 1e-9, abs=1e-6)
        assert image.shape == (48, 64, 3) and np.all(image == 99)
    fewer = sources.bag(path, 10.0, None, None, print).images()
    stamps = [stamp_s - START_NS * 1e-9 for _, camera, stamp_s, _ in fewer if camera == 0]
    np.testing.assert_allclose(stamps, [0, 4 * STEP_NS * 1e-9], atol=1e-6)  # the fourth comes 99 ms after the first


class Blind:
    """In place of a looker: sees nobody."""

    names = ("nose",)

    def look(self, image, moment, stamp_s) -> int:
        return 0

    def tracks(self) -> list:
        return []


def test_a_bag_with_one_camera_or_without_anybody_is_told(tmp_path, capsys, monkeypatch):
    from refit_ros.commands import calibrate

    monkeypatch.setattr(calibrate, "_lookers", lambda args, source: [Blind() for _ in source.calibrations])
    one, two = write_bag(tmp_path / "one", ["camera"]), write_bag(tmp_path / "two", ["left", "right"])
    rest = ["--output", str(tmp_path / "rig.toml")]
    assert main(["calibrate", str(one), *rest]) == 2
    assert "1 camera is given, and extrinsics lie between two or more" in capsys.readouterr().err
    assert main(["calibrate", str(two), *rest]) == 2
    assert "saw nobody: somebody must walk where it looks" in capsys.readouterr().err
    assert not (tmp_path / "rig.toml").exists()


@pytest.mark.parametrize("later_px, is_told", [(60.3, False), (75.0, True)])
def test_a_lens_that_changes_on_the_way_is_told(tmp_path, later_px, is_told):
    """All images were looked at by the first one."""
    path = write_bag(tmp_path / "in", ["left", "right"], focal_px=lambda tick: 60.0 if tick < 3 else later_px)
    source = sources.bag(path, 1000.0, None, None, print)
    assert source.calibrations[0].focal_px == 60
    if not is_told:
        assert len(list(source.images())) == 12
        return
    with pytest.raises(InputError, match="camera left has another CameraInfo at 1700000000.099 s.*cut the recording"):
        list(source.images())


def test_a_distance_from_a_camera_to_itself_is_told_before_anybody_is_looked_at(tmp_path, capsys):
    two, rest = write_bag(tmp_path / "two", ["left", "right"]), ["--output", str(tmp_path / "rig.toml")]
    assert main(["calibrate", str(two), *rest, "--distance", "left", "left", "3"]) == 2
    assert "--distance names camera left twice" in capsys.readouterr().err

"""Drawn bags can be read, no two are alike, and the table holds what was measured. No time is asserted."""

from __future__ import annotations

import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")

from refit_ros.benchmarking.bags_suite import digests  # noqa: E402
from refit_ros.benchmarking.drawn_bags import CAMERA, draw_bags  # noqa: E402
from refit_ros.benchmarking.tables import RAY_GAIN, _bags  # noqa: E402
from refit_ros.node.bag_cameras import cameras_in  # noqa: E402
from refit_ros.node.recording import open_bag  # noqa: E402


def test_drawn_bags_are_bags_of_one_camera_and_no_two_are_alike(tmp_path):
    draw_bags(tmp_path, 2, 2)
    for name in ("bag_1", "bag_2"):
        with open_bag(tmp_path / name) as reader:
            assert cameras_in(reader, "{camera}/image_raw", "{camera}/camera_info") == ([CAMERA], "raw")
            assert reader.message_count == 4 and reader.duration == pytest.approx(1e8, abs=2)
    assert len({digest for file, digest in digests(tmp_path).items() if file.endswith(".mcap")}) == 2


def test_the_table_says_what_was_not_measured_or_how_much_quicker_two_workers_are():
    row = {"way": "one", "s": 12.345, "bags/s": 4.0, "failed": 0, "bytes": "the same", "not done again": 0, "load": 1.0}
    results = {"bags": 50, "images": 20, "rows": [row]}
    assert "Not measured on a Ray cluster" in "\n".join(_bags({**results, "not measured": "on a Ray cluster: why"}))
    lines = _bags({**results, RAY_GAIN: 1.876})
    assert any("12.3" in line and "the same" in line for line in lines) and "1.88 x" in lines[-2]

"""`evaluate --suite people --evidence keypoints`: the drawn scenes through landmarks."""

import json
import subprocess
import sys

import pytest


@pytest.mark.needs_models(
    "pose_detection", "pose_landmark_full", "movenet_multipose", "movenet_thunder", "movenet_lightning"
)
def test_one_who_walks_is_one_person_at_three_sets_a_second(tmp_path):
    path = tmp_path / "people.json"
    command = [sys.executable, "-m", "refit_ros", "evaluate", "--suite", "people", "--evidence", "keypoints"]
    command += ["--scenes", "one_walking", "--seeds", "0", "--rates", "3", "--variants", "full", "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())["rows"]
    assert row["id_switches"] == 0 and row["idf1"] > 0.95 and row["pelvis_m"] < 0.15

"""Drawn landmarks of held-out people as sightings, and what is told of how they were fitted."""

import json

import numpy as np
import pytest
import torch

from refit_ros.__main__ import main
from refit_ros.core.body import load_body
from refit_ros.core.landmark_body import LandmarkBody
from refit_ros.evaluation.evidence_suite import _heights, _in_the_world, sightings_of
from refit_ros.synthetic.evidence import EvidenceSource


def test_sightings_see_the_person_about_the_worlds_origin():
    body = load_body()
    samples = EvidenceSource(body, "test", 3).batch(6, 2)
    landmarks_m, joints_m = LandmarkBody(body)(samples.target.betas, samples.target.rotmats, samples.target.transl)
    for person in range(6):
        rows = slice(2 * person, 2 * person + 2)
        seen = sightings_of(samples, rows)
        assert [one.camera.name for one in seen] == ["camera0", "camera1"]
        world_m = _in_the_world(samples, rows.start).numpy()
        assert (
            np.abs(world_m[0]).max() < 1e-6 and np.abs(world_m - _in_the_world(samples, rows.start + 1).numpy()).max() < 1e-4
        )
        for one, row in zip(seen, range(rows.start, rows.stop)):
            assert np.abs(one.camera.to_camera(world_m) - joints_m[row].numpy()).max() < 1e-3
            px = one.camera.calibration.project(landmarks_m[row, :33].double().numpy())
            off = np.linalg.norm(px - one.place_px, axis=1) / float(samples.crops.side_px[row])
            assert np.median(off[one.visibility > 0.5]) < 0.06


def test_heights_are_told_by_how_tall_people_are():
    rows = _heights(np.array([1.0, 1.0, 1.8]), np.array([1.05, 1.3, 1.8]))
    assert rows == {
        "height_0.9_1.3_m_median_share": 0.175,
        "height_0.9_1.3_m_within": 0.5,
        "height_1.5_2.2_m_median_share": 0.0,
        "height_1.5_2.2_m_within": 1.0,
    }


def test_the_command_prints_a_table_and_keeps_the_figures(tmp_path, capsys):
    assert main(["evaluate", "--suite", "evidence", "--people", "4", "--output", str(tmp_path / "figures.json")]) == 0
    assert "| views | MPJPE, PA (mm) |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["views"] for row in rows] == [1, 2, 4] and 5 < rows[2]["mpjpe_mm"] < rows[0]["mpjpe_mm"] < 400


def test_a_network_of_images_is_refused(capsys):
    from refit_ros.core.checkpoint import EMBEDDED_WEIGHTS

    assert main(["evaluate", "--suite", "evidence", "--weights", str(EMBEDDED_WEIGHTS), "--body", "refit_ros"]) != 0
    assert "keypoint networks" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

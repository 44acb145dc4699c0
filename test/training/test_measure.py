import argparse
import json

import numpy as np
import pytest
import torch
from dot_people import DotSource

from refit_ros.commands import evaluate_suites as suites
from refit_ros.core.checkpoint import save_network, untrained_network
from refit_ros.core.config import NetworkConfig
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.core.types import Estimate
from refit_ros.training import evaluate, measure
from refit_ros.training.data import batch_of_samples
from refit_ros.training.held_out import held_out

SMALL = NetworkConfig(backbone="small", image_size=64, head_convolutions=1, head_channels=16, iterations=2)


@pytest.fixture
def network(body):
    return untrained_network(SMALL, body)


def truth(batch):
    return Estimate(batch.rotmats, batch.betas, torch.zeros(len(batch), 3), batch.transl)


def test_the_truth_has_no_error(body):
    batch = batch_of_samples(DotSource(body, 64, "test", 0).batch(5))
    errors = measure.errors(truth(batch), batch, body)
    assert errors == {
        "mpjpe_mm": pytest.approx(0, abs=0.01),
        "pa_mpjpe_mm": pytest.approx(0, abs=0.01),
        "pve_mm": pytest.approx(0, abs=0.01),
        "flips": 0,
        "depth_error": pytest.approx(0, abs=1e-4),
    }


def test_averaging_cancels_opposite_errors(body):
    batch = batch_of_samples(DotSource(body, 64, "test", 0).batch(3, views=2))
    off = truth(batch)
    sign = torch.tensor([1.0, -1.0]).repeat(3)
    turn = rotmat_from_axis_angle(sign[:, None] * torch.tensor([0.0, 0.3, 0.0]))
    rotmats = off.rotmats.clone()
    rotmats[:, 5] = rotmats[:, 5] @ turn
    world = batch.camera_from_world.transpose(1, 2) @ rotmats[:, 0]
    rotmats[:, 0] = batch.camera_from_world @ turn @ world
    off = Estimate(rotmats, off.betas + 0.5 * sign[:, None], off.weak_perspective, off.transl)
    assert measure.errors(off, batch, body, surface=False)["mpjpe_mm"] > 20
    assert measure.errors(measure.averaged(off, batch), batch, body, surface=False)["mpjpe_mm"] < 0.1


def test_all_iterations_of_all_crops_come_back_in_order(body, network, monkeypatch):
    monkeypatch.setattr(measure, "CHUNK", 4)
    batch = batch_of_samples(DotSource(body, 64, "test", 0).batch(3, views=2))
    history = measure.estimates(network, batch, "cpu", 3, multi_view=True)
    with torch.no_grad():
        expected = network(batch.crops, views=batch.views, iterations=3)
    assert len(history) == 4
    assert torch.allclose(history[-1].betas, expected.estimate.betas, atol=1e-4)


def test_the_held_out_set_is_the_same_every_time_and_for_every_count(body, dots):
    first, again = (held_out(body, 64, count, 2, torch.device("cpu")) for count in (3, 2))
    assert torch.equal(first.images[:4], again.images) and first.person.tolist() == [0, 0, 1, 1, 2, 2]


def test_some_views_keep_whole_people(body, dots):
    batch = measure.some_views(held_out(body, 64, 3, 4, torch.device("cpu")), 2)
    assert len(batch) == 6 and torch.bincount(batch.person).tolist() == [2, 2, 2]


def test_the_trivial_answer_knows_shape_and_orientation(body, dots):
    batch = held_out(body, 64, 20, 1, torch.device("cpu"))
    estimate = evaluate.trivial(batch, body, 64)
    assert torch.equal(estimate.rotmats[:, 0], batch.rotmats[:, 0]) and torch.equal(estimate.betas, batch.betas)
    assert (estimate.rotmats[0, 1:] == estimate.rotmats[1, 1:]).all()


def arguments(tmp_path, body_path, **changes):
    values = {
        "suite": "synthetic",
        "output": str(tmp_path / "out.json"),
        "crops": 4,
        "sets": 2,
        "variant": None,
        "data": None,
        "images": None,
        "joint_regressor": None,
        "weights": str(tmp_path / "w.safetensors"),
        "body": str(body_path),
        "device": "cpu",
        "iterations": None,
        "scenes": 0,
        "precision": None,
        "engine": None,
    }
    return argparse.Namespace(**{**values, **changes})


def test_the_synthetic_suite_writes_every_row(tmp_path, body_path, network, dots):
    save_network(network, tmp_path / "w.safetensors", {"trained": "true"})
    assert suites.run_suite(arguments(tmp_path, body_path)) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["default"]
    assert list(rows["single"]) == ["0", "1", "2", "3", "5", "10"] and set(rows["views"]) == {"1", "2", "3", "4"}
    assert set(rows["single"]["5"]) == {"mpjpe_mm", "pa_mpjpe_mm", "pve_mm", "flips", "depth_error"}
    assert rows["trivial"]["mpjpe_mm"] > 0 and len(rows["single_joints_mm"]) == 24


def test_precision_and_engine_are_heard(tmp_path, body_path, network, dots):
    """They were once read and forgotten."""
    save_network(network, tmp_path / "w.safetensors", {"trained": "true"})
    figures = []
    for precision in (None, "float32", "bfloat16"):
        assert suites.run_suite(arguments(tmp_path, body_path, precision=precision)) == 0
        figures.append(json.loads((tmp_path / "out.json").read_text())["default"]["single"]["5"]["mpjpe_mm"])
    assert abs(figures[1] - figures[0]) < 1e-2 and figures[2] != figures[1]
    for wrong, says in (
        ({"engine": "abacus"}, "abacus"),
        ({"precision": "float8"}, "float8"),
        ({"variant": ["a=b"], "precision": "float32"}, "--variant"),
    ):
        with pytest.raises(ValueError, match=says):
            suites.run_suite(arguments(tmp_path, body_path, **wrong))


def test_the_real_suite_measures_a_file(tmp_path, body, body_path, network):
    cv2 = pytest.importorskip("cv2")
    save_network(network, tmp_path / "w.safetensors", {"trained": "true"})
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    np.savez(
        tmp_path / "set.npz",
        imgname=np.array(["a.png"] * 2),
        center=np.full((2, 2), 30.0),
        scale=np.full(2, 0.2),
        pose=np.zeros((2, 72)),
        shape=np.zeros((2, 10)),
    )
    np.save(tmp_path / "regressor.npy", np.eye(17, body.vertex_count))
    args = arguments(
        tmp_path, body_path, suite="real", data=str(tmp_path / "set.npz"), joint_regressor=str(tmp_path / "regressor.npy")
    )
    assert suites.run_suite(args) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["rows"] == 2 and result["joints"] == 14 and list(result["iterations"]) == ["0", "1", "2"]
    np.save(tmp_path / "regressor.npy", np.eye(17, 5))
    with pytest.raises(ValueError, match=r"regressor.npy has shape \(17, 5\)"):
        suites.run_suite(args)


def test_an_unknown_suite_is_told(tmp_path, body_path):
    with pytest.raises(ValueError, match="no suite 'all': choose from synthetic, real, people"):
        suites.run_suite(arguments(tmp_path, body_path, suite="all"))


def test_warm_starts_are_measured_on_the_later_image(monkeypatch):
    from refit_ros.core.body import load_body
    from refit_ros.training import warm

    monkeypatch.setattr(warm, "MOMENTS", 1)
    own = load_body()
    earlier, later = warm.moving_pairs(own, 64, 2)
    assert len(earlier) == len(later) == 2 and torch.equal(earlier.betas, later.betas)
    moved = (earlier.joints_m - later.joints_m).norm(dim=-1)
    assert 0.001 < moved.mean() < 0.3
    posed = own.joints(later.betas, later.rotmats)
    assert ((posed - posed[:, :1]) - (later.joints_m - later.joints_m[:, :1])).abs().max() < 1e-4
    result = warm.warm_against_cold(untrained_network(SMALL, own), own, torch.device("cpu"), 1)
    assert set(result["warm"]) == set(result["cold"]) == {"1", "2"} and result["pairs"] == 1

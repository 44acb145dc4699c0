"""Weights files: as published, as saved here, and as they go wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from refit_ros.core import checkpoint
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import (
    EMBEDDED_KEYPOINT_WEIGHTS,
    EMBEDDED_WEIGHTS,
    embedded_keypoint_weights,
    load_network,
    read_metadata,
    refuse_old_torch,
    save_network,
    untrained_network,
)
from refit_ros.core.config import SMALL, NetworkConfig
from refit_ros.core.errors import InputError
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.core.published import config_from_shapes, own_name, published_name
from refit_ros.core.refit import Refit


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def network(body):
    return untrained_network(SMALL, body)


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network.trained = True
    save_network(network, path, {"steps": "12"})
    return path


def assert_equal_weights(a: Refit, b: Refit) -> None:
    first, second = a.state_dict(), b.state_dict()
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_saved_and_loaded(network, saved, body):
    loaded = load_network(saved, body)
    assert_equal_weights(loaded, network)
    assert loaded.config == network.config and loaded.trained and not loaded.embedded and not loaded.training
    assert read_metadata(saved)["steps"] == "12"
    assert str(saved) in loaded.describe()
    assert list(saved.parent.iterdir()) == [saved], "nothing is left behind"


def test_a_checkpoint_names_its_body(tmp_path, body):
    """An embedded one is taken where nobody gives another; of a file's body, and of none, the first one stands in."""
    anny = load_body("anny")
    path = tmp_path / "keypoints.safetensors"
    save_network(untrained_network(LANDMARKS, anny), path)
    assert load_network(path).body.name == "anny" and load_network(path, body).body.name == "refit_ros"
    save_network(untrained_network(LANDMARKS, anny), path, {"body": "SMPL_NEUTRAL"})
    assert load_network(path).body.name == "refit_ros"
    assert load_network(EMBEDDED_WEIGHTS).body.name == "refit_ros"


def test_halved_weights_are_half_as_large_and_nearly_equal(network, tmp_path, body, saved):
    save_network(network, tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * saved.stat().st_size
    loaded = load_network(tmp_path / "half.safetensors", body)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)
        assert loaded.state_dict()[name].dtype == value.dtype


def test_untrained_says_so(body):
    first, second = load_network("untrained", body), load_network("untrained:small", body)
    assert not first.trained and "untrained" in first.describe()
    assert_equal_weights(first, second)
    with pytest.raises(InputError, match="resnet"):
        load_network("untrained:resnet", body)


def test_names_are_translated_there_and_back(network):
    names = list(network.state_dict())
    assert [own_name(published_name(name)) for name in names] == names
    assert {
        "corr_layer.0.weight",
        "flow_layer.weight",
        "local_layer.bias",
        "update_block.pose_gru.lz.weight",
        "regressor.decpose.weight",
        "init_pose",
    } <= {published_name(name) for name in names}


def published_state(config: NetworkConfig, body) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Refit(config, body)
    return {published_name(name): value.clone() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def w32(body):
    return published_state(NetworkConfig(backbone="hrnet_w32"), body)


@pytest.mark.parametrize("wrapped", ["model", "state_dict", None])
def test_published_layout(tmp_path, body, w32, wrapped):
    """Optimizer's state, NumPy numbers, the body's buffers and DataParallel's prefix beside the weights."""
    state = {f"module.{name}": value for name, value in w32.items()}
    state["module.smpl.v_template"] = torch.zeros(6890, 3)
    state["module.smpl_male.J_regressor"] = torch.zeros(24, 6890)
    whole = (
        {
            "epoch": 3,
            wrapped: state,
            "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
            "performance": np.float64(41.5),
            "dataperm": np.arange(5),
        }
        if wrapped
        else state
    )
    torch.save(whole, tmp_path / "checkpoint_best.pth.tar")
    loaded = load_network(tmp_path / "checkpoint_best.pth.tar", body)
    assert loaded.config == NetworkConfig(backbone="hrnet_w32") and loaded.trained
    assert torch.equal(loaded.feedback.windows.weight, w32["flow_layer.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        {"head_convolutions": 0},
        {"head_convolutions": 1},
        {"decoder_layers": 2},
        {"window_radius": 2},
        {"hidden": 16},
        {"backbone": "hrnet_w48"},
    ],
)
def test_the_variant_is_read_from_the_shapes(body, changes):
    config = NetworkConfig(**{"backbone": "hrnet_w32", **changes})
    with torch.device("meta"):
        shapes = {published_name(name): value for name, value in _meta_network(config, body).state_dict().items()}
    found = config_from_shapes(shapes)
    # Without convolutions there is no width to read.
    assert found == config or (config.head_convolutions == 0 and found.head_convolutions == 0)


def _meta_network(config, body):
    return Refit(config, body)


def test_dense_markers_need_a_body_that_has_them(body, tmp_path, w32):
    state = dict(w32)
    state["flow_layer.weight"] = torch.zeros(231, 5, 49)
    torch.save({"model": state}, tmp_path / "dense.pt")
    with pytest.raises(InputError, match="231"):
        load_network(tmp_path / "dense.pt", body)


def test_what_is_missing_unexpected_or_of_another_shape_is_listed(tmp_path, body, w32):
    state = dict(w32)
    del state["init_layer.bias"]
    state["surprise.weight"] = torch.zeros(3)
    state["local_layer.bias"] = torch.zeros(255)
    torch.save({"model": state}, tmp_path / "x.pt")
    with pytest.raises(InputError) as error:
        load_network(tmp_path / "x.pt", body)
    for word in ("init_layer.bias", "surprise.weight", "local_layer.bias (255,), expected (256,)", "x.pt", "missing"):
        assert word in str(error.value)


def test_values_that_are_not_finite_are_refused(tmp_path, body, w32):
    state = {**w32, "init_cam": torch.tensor([[float("nan"), 0, 0]])}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(InputError, match="init_cam"):
        load_network(tmp_path / "x.pt", body)


class _Runs:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.mark.parametrize("plain", [False, True])
def test_a_file_that_would_run_code_is_refused(tmp_path, body, plain):
    trace, path = tmp_path / "it_ran", tmp_path / "x.pt"
    content = {"model": {"init_pose": torch.zeros(1, 144)}, "extra": _Runs(trace)}
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match="it is refused: .* run code"):
        load_network(path, body)
    assert not trace.exists()


@pytest.mark.parametrize("keep", [0, 5, 0.3, 0.9])
def test_truncated_files(tmp_path, body, saved, w32, keep):
    torch.save({"model": w32}, tmp_path / "whole.pt")
    for whole, path in ((saved, tmp_path / "cut.safetensors"), (tmp_path / "whole.pt", tmp_path / "cut.pt")):
        content = whole.read_bytes()
        path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
        with pytest.raises(InputError) as error:
            load_network(path, body)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_files(tmp_path, body):
    (tmp_path / "a.pt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "b.safetensors").write_text("no weights")
    torch.save([1, 2, 3], tmp_path / "c.pt")
    torch.save({"model": {"weight": torch.zeros(3)}}, tmp_path / "d.pt")
    save_file({"weight": torch.zeros(3)}, tmp_path / "e.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "f.safetensors", {"config": "{]"})
    save_file({"weight": torch.zeros(3)}, tmp_path / "g.safetensors", {"config": '{"colour": "red"}'})
    for name in ("a.pt", "b.safetensors", "c.pt", "d.pt", "e.safetensors", "f.safetensors", "g.safetensors", "nothing.pt"):
        with pytest.raises(InputError, match=name):
            load_network(tmp_path / name, body)


def test_torch_before_2_10_is_refused():
    for version in ("2.9.1", "2.9.1+cu128", "1.13.0"):
        with pytest.raises(InputError, match="too old"):
            refuse_old_torch(version)
    for version in ("2.10.0", "2.11.0+cu130", "3.0.0a0+git123"):
        refuse_old_torch(version)


def test_a_failed_save_leaves_the_old_file(network, saved, monkeypatch):
    before = saved.read_bytes()
    import safetensors.torch

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError):
        save_network(network, saved)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_missing_embedded_weights_are_said_and_give_an_untrained_network(monkeypatch, tmp_path, body, caplog):
    monkeypatch.setattr(checkpoint, "EMBEDDED_WEIGHTS", tmp_path / "gone.safetensors")
    network = load_network(None, body)
    assert not network.trained and "gone.safetensors" in caplog.text


def test_loading_a_network_does_not_load_pytorchs_compiler():
    """Half of what starting took: the shapes that a file must have are found out without computing anything."""
    code = (
        "import sys; from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, load_network\n"
        "load_network(None); load_network(EMBEDDED_KEYPOINT_WEIGHTS)\n"
        "sys.exit(' '.join({'torch._dynamo', 'sympy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def test_keypoint_weights_are_those_of_the_body_that_was_asked_for():
    ours, anny = load_body(), load_body("anny")
    assert embedded_keypoint_weights(None) == embedded_keypoint_weights(anny) == EMBEDDED_KEYPOINT_WEIGHTS
    assert load_network(embedded_keypoint_weights(ours)).body.name == ours.name
    network = load_network(embedded_keypoint_weights(anny), body=anny)
    assert network.body.name == "anny" and network.trained and network.embedded
    assert read_metadata(embedded_keypoint_weights(anny))["body"] == "anny"

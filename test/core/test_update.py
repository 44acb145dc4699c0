"""Stacks of parameters compute what the published layers compute, one by one, and files hold those layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from refit_ros.core.config import NetworkConfig
from refit_ros.core.update import Decoder, State, Update

HIDDEN, STREAMS, BATCH = 32, 26, 3


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, State]:
    numbers = [
        torch.randn(BATCH, *shape, dtype=torch.float64) for shape in ((STREAMS, HIDDEN), (256,), (3,), (144,), (10,), (3,))
    ]
    return numbers[0], numbers[1], numbers[2], State(*numbers[3:])


def layer(state: dict, name: str, stream: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A published layer of one of the joints, or of the shape or the camera."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return (weight[stream], bias[stream]) if stream < 24 else (weight, bias)


def test_each_stream_is_a_gru_of_its_own():
    update = Update(NetworkConfig()).double()
    layers = update.state_dict()
    hidden, feedback, box, state = drawn()
    x = torch.cat((feedback, box, state.pose, state.betas, state.camera), 1)
    expected = []
    for stream in range(STREAMS):
        gru = ("pose_gru", "shape_gru", "cam_gru")[max(0, stream - 23)]
        h = hidden[:, stream]
        z, r = (
            torch.sigmoid(functional.linear(torch.cat((h, x), 1), *layer(layers, f"{gru}.{gate}", stream)))
            for gate in ("lz", "lr")
        )
        q = torch.tanh(functional.linear(torch.cat((r * h, x), 1), *layer(layers, f"{gru}.lq", stream)))
        expected.append((1 - z) * h + z * q)
    assert torch.allclose(update(hidden, feedback, box, state), torch.stack(expected, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_stream_decodes_by_its_own_layers(count):
    decoder = Decoder(NetworkConfig(decoder_layers=count)).double()
    layers = decoder.state_dict()
    hidden, _, box, _ = drawn()
    found = []
    for stream in range(STREAMS):
        kind = max(0, stream - 23)
        x = torch.cat((hidden[:, stream], box), 1)
        for index in range(count):
            x = functional.linear(x, *layer(layers, f"{'psc'[kind]}.{2 * index}", stream)).relu()
        found.append(functional.linear(x, *layer(layers, ("decpose", "decshape", "deccam")[kind], stream)))
    change = decoder(hidden, box)
    assert torch.allclose(change.pose, torch.cat(found[:24], 1), rtol=0, atol=1e-12)
    assert torch.allclose(change.betas, found[24], rtol=0, atol=1e-12)
    assert torch.allclose(change.camera, found[25], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [Update, Decoder])
def test_its_state_is_the_published_layers_and_comes_back(kind):
    one, other = kind(NetworkConfig()), kind(NetworkConfig())
    state = {f"x.{name}": value.clone() for name, value in one.state_dict().items()}
    assert not any(torch.equal(value, other.state_dict()[name[2:]]) for name, value in state.items())
    torch.nn.ModuleDict({"x": other}).load_state_dict(state)
    assert all(torch.equal(value, other.state_dict()[name[2:]]) for name, value in state.items())


def test_what_a_state_lacks_or_holds_besides_is_told():
    update = Update(NetworkConfig())
    state = update.state_dict()
    state["pose_gru.surprise"] = state.pop("cam_gru.lq.bias")
    state["shape_gru.lz.bias"] = torch.zeros(31)
    with pytest.raises(RuntimeError) as told:
        update.load_state_dict(state)
    for word in ("cam_gru.lq.bias", "pose_gru.surprise", "shape_gru.lz.bias has shape (31,), expected (32,)"):
        assert word in str(told.value)


def test_what_the_decoder_is_filled_up_with_learns_nothing():
    decoder = Decoder(NetworkConfig())
    hidden, _, box, _ = (value.float() if isinstance(value, torch.Tensor) else value for value in drawn())
    change = decoder(hidden, box)
    (change.pose.sum() + change.betas.sum() + change.camera.sum()).backward()
    assert decoder.last_weight.grad[0, :, :6].any() and decoder.last_weight.grad[25, :, :3].any()
    assert not decoder.last_weight.grad[:24, :, 6:].any() and not decoder.last_weight.grad[25, :, 3:].any()

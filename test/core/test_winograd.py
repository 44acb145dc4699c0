"""Winograd's convolutions say what the ordinary ones say, for every size, and are taken only where they can be."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from refit_ros.benchmarking.scenes import random_crops
from refit_ros.core import winograd
from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.config import SMALL
from refit_ros.core.fused_convolutions import fused_encoder
from refit_ros.core.inference import prepare
from refit_ros.core.winograd import Winograd, suits

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def relative_error(found, expected) -> float:
    return ((found.double() - expected).norm() / expected.norm()).item()


@torch.inference_mode()
@pytest.mark.parametrize(("batch", "inputs", "outputs", "height", "width"), [
    (1, 16, 24, 64, 64), (3, 24, 16, 8, 8), (2, 7, 5, 13, 9), (1, 3, 4, 1, 1), (5, 8, 8, 33, 31), (2, 8, 3, 4, 67)])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_as_the_ordinary_convolution(batch, inputs, outputs, height, width, relu, bias):
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    x = torch.randn(batch, inputs, height, width)
    expected = F.conv2d(x.double(), convolution.weight.double(), None if not bias else convolution.bias.double(), padding=1)
    expected = expected.relu() if relu else expected
    found = Winograd(convolution, relu)(x.contiguous(memory_format=torch.channels_last))
    assert found.shape == expected.shape
    assert relative_error(found, expected) < 1e-5
    assert relative_error(Winograd(convolution, relu)(x), expected) < 1e-5, "another layout of the input"


@torch.inference_mode()
def test_more_crops_than_go_through_at_once(monkeypatch):
    monkeypatch.setattr(winograd, "_TILES_AT_ONCE", 9)  # two crops of 2 x 2 tiles
    convolution, x = nn.Conv2d(8, 8, 3, padding=1), torch.randn(5, 8, 7, 8)
    assert relative_error(Winograd(convolution, False)(x), convolution(x).double()) < 1e-5


@pytest.mark.parametrize(("options", "size", "suitable"), [
    ({}, 64, True), ({"stride": 2}, 64, False), ({"padding": 0}, 64, False), ({"dilation": 2}, 64, False),
    ({"groups": 2}, 64, False), ({"padding_mode": "reflect"}, 64, False), ({}, 16, False),
    ({"dtype": torch.bfloat16}, 64, True), ({"dtype": torch.float16}, 64, False)])
def test_where_it_is_taken(options, size, suitable):
    assert suits(nn.Conv2d(256, 256, 3, **{"padding": 1, **options}), size, size) is suitable


def test_narrow_convolutions_and_other_kernels_stay_as_they_are():
    assert not suits(nn.Conv2d(720, 48, 3, padding=1), 64, 64)
    assert not suits(nn.Conv2d(256, 256, 1), 64, 64)
    assert suits(nn.Conv2d(192, 192, 3, padding=1), 64, 64)
    assert not suits(nn.Conv2d(192, 192, 3, padding=1, dtype=torch.bfloat16), 64, 64)


@torch.inference_mode()
def test_a_prepared_network_with_it_says_the_same(monkeypatch):
    """Every convolution of the small network that can be computed so, is."""
    monkeypatch.setattr(winograd, "_LEAST_CHANNELS", {torch.float32: 1, torch.bfloat16: 1})
    monkeypatch.setattr(winograd, "_LEAST_PIXELS", 1)
    network = untrained_network(SMALL, load_body())
    encoder = fused_encoder(network.backbone, network.head, "onednn", torch.float32,
                            torch.zeros(1, 3, 128, 128))
    assert sum(isinstance(module, Winograd) for module in encoder.modules()) > 3
    crops = random_crops(3, 128, CPU)
    expected, found = network(crops).estimate, prepare(network, "float32")(crops).estimate
    torch.testing.assert_close(found.rotmats, expected.rotmats, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.weak_perspective, expected.weak_perspective, rtol=0, atol=1e-4)

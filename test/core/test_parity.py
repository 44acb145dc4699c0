"""Equal, number for number, to what the published code computed (`REFIT_PARITY_DIR`, see parity/config.json).

The golden weights are random: with them a rounding difference grows three to ten times at each iteration, and every
processor, instruction set and number of threads rounds its sums otherwise. So the mathematics is compared in float64,
where after ten iterations rounding is still far below `EXACT`; in float32 only the first iterations are.
A folder without numbers in float64 (`*_f64.npz`) is held to what its own rounding allows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import parity_case as case
import pytest
import torch

from refit_ros.core.flip import fit_with_flip
from refit_ros.core.published import config_from_shapes, published_name
from refit_ros.core.refit import Features
from refit_ros.core.types import Crops, Views

EXACT = 1e-9  # float64 on both sides, every iteration
ROUNDED = 1e-4  # float32 on one side, the first guess and the first `FIRST` iterations
ROUNDED_AT_END = 0.05  # float32 on one side, after up to ten iterations
FIRST = 1


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return case.network(tmp_path_factory.mktemp("parity"))


@pytest.fixture(scope="module")
def wide_network(tmp_path_factory):
    return Remembering(case.network(tmp_path_factory.mktemp("parity_wide"), torch.float64))


class Remembering:
    """The network, each image encoded once for all tests: convolutions in float64 are slow."""

    def __init__(self, network) -> None:
        self.network, self.body, self.known = network, network.body, {}

    def __call__(self, crops: Crops, **arguments):
        found = [self.encoded(image) for image in crops.images]
        features = Features(torch.cat([f.maps for f in found]), torch.cat([f.pooled for f in found]))
        return self.network.fit(features, crops, **arguments)

    def encoded(self, image: torch.Tensor) -> Features:
        key = image.numpy().tobytes()
        if key not in self.known:
            self.known[key] = self.network.encode(image[None])
        return self.known[key]


def close(actual, expected, tolerance: float, what: str) -> None:
    actual = actual.detach().numpy()
    assert actual.shape == expected.shape, what
    off = np.abs(actual.astype(np.float64) - expected).max()
    assert off <= tolerance, f"{what}: off by {off:.2e}"


def assert_history(history, golden: dict, tolerances) -> None:
    """The first guess and the estimates after it, each with its tolerance."""
    for i, (estimate, tolerance) in enumerate(zip(history, tolerances, strict=True)):
        close(estimate.rotmats, golden["rotmat"][i], tolerance, f"rotations after iteration {i}")
        close(estimate.betas, golden["betas"][i], tolerance, f"betas after iteration {i}")
        close(estimate.weak_perspective, golden["cam"][i], tolerance, f"camera after iteration {i}")


def assert_every_iteration(fit, golden: dict, wide: bool) -> None:
    assert len(fit.history) == len(golden["betas"])
    tolerances = [EXACT if wide else ROUNDED if i <= FIRST else ROUNDED_AT_END for i in range(len(fit.history))]
    assert_history(fit.history, golden, tolerances)


def assert_final(network, estimate, golden: dict, wide: bool) -> None:
    tolerance = EXACT if wide else ROUNDED_AT_END
    close(estimate.rotmats, golden["final_rotmat"], tolerance, "final rotations")
    close(estimate.betas, golden["final_betas"], tolerance, "final betas")
    close(network.body.vertices(estimate.betas, estimate.rotmats)[:, ::50], golden["vertices"], tolerance, "vertices")
    if "transl" in golden:
        close(estimate.transl, golden["transl"], tolerance, "translation")


def with_meaning(config):
    """What a checkpoint's shapes say: without convolutions the head has no width, and nothing tells how often it runs."""
    width = config.head_channels if config.head_convolutions else 0
    return replace(config, head_channels=width or 1, iterations=0, feedback_dropout=0)


def test_the_configuration_is_read_from_the_checkpoint(network):
    assert with_meaning(network.config) == with_meaning(case.config())
    assert with_meaning(config_from_shapes(case.state_dict())) == with_meaning(case.config())


def test_names_and_shapes_are_the_manifest(network):
    own = {published_name(name): tuple(value.shape) for name, value in network.state_dict().items()}
    assert own == case.manifest()


@torch.inference_mode()
def test_single_view(wide_network):
    crops, _, golden = case.crops_and_views("single_view", 1, torch.float64)
    fit = wide_network(crops, iterations=int(golden["iterations"]))
    wide = case.has_wide("single_view")
    assert_every_iteration(fit, golden, wide)
    assert_final(wide_network, fit.estimate, golden, wide)


@torch.inference_mode()
def test_flip(wide_network):
    crops, _, golden = case.crops_and_views("single_view", 1, torch.float64)
    estimate = fit_with_flip(
        wide_network, crops, axis_px=float(golden["img_size"][0]) / 2, iterations=int(golden["iterations"])
    )
    assert_final(wide_network, estimate, case.golden("single_view_flip"), case.has_wide("single_view_flip"))


@torch.inference_mode()
def test_multi_view(wide_network):
    crops, views, golden = case.crops_and_views("multi_view", 2, torch.float64)
    fit = wide_network(crops, views=views, iterations=int(golden["iterations"]))
    wide = case.has_wide("multi_view")
    assert_every_iteration(fit, golden, wide)
    assert_final(wide_network, fit.estimate, golden, wide)


@torch.inference_mode()
@pytest.mark.parametrize(("name", "stream"), [("single_view", 1), ("multi_view", 2)])
def test_the_first_iterations_in_float32(network, name, stream):
    crops, views, golden = case.crops_and_views(name, stream, torch.float32)
    fit = network(crops, views=views, iterations=FIRST)
    assert all(estimate.rotmats.dtype == torch.float32 for estimate in fit.history)
    assert_history(fit.history, golden, [ROUNDED] * (FIRST + 1))


@torch.inference_mode()
def test_people_of_different_numbers_of_views_in_one_call(wide_network):
    """The golden four views of one person beside a person of one view and a person of two, their views mixed."""
    crops, views, golden = case.crops_and_views("multi_view", 2, torch.float64)
    others, _, _ = case.crops_and_views("single_view", 1, torch.float64)
    one_view = Views(torch.tensor([0]), views.camera_from_world[:1])
    alone = wide_network(crop_rows(others, [0]), views=one_view, iterations=FIRST)
    order = [4, 0, 1, 5, 2, 3, 6]
    joined = Crops(*(torch.cat((getattr(crops, name), getattr(others, name)))[order] for name in CROP_FIELDS))
    rotations = torch.cat((views.camera_from_world, views.camera_from_world[:3]))[order]
    fit = wide_network(joined, views=Views(torch.tensor([0, 0, 0, 0, 1, 2, 2])[order], rotations), iterations=FIRST)
    first = [rows(estimate, [order.index(view) for view in range(4)]) for estimate in fit.history]
    assert_history(first, golden, [EXACT if case.has_wide("multi_view") else ROUNDED] * (FIRST + 1))
    single = rows(fit.estimate, [order.index(4)])
    close(single.rotmats, alone.estimate.rotmats.numpy(), EXACT, "a person of one view")
    third = rows(fit.estimate, [order.index(5), order.index(6)])
    assert torch.equal(third.betas[0], third.betas[1]) and torch.equal(third.rotmats[0, 1:], third.rotmats[1, 1:])


CROP_FIELDS = ("images", "center_px", "side_px", "focal_px", "principal_px")


def rows(estimate, index):
    return replace(
        estimate, **{name: getattr(estimate, name)[index] for name in ("rotmats", "betas", "weak_perspective", "transl")}
    )


def crop_rows(crops: Crops, index) -> Crops:
    return Crops(*(getattr(crops, name)[index] for name in CROP_FIELDS))

"""The one loop: shared by views, held to a known shape, begun from a known state."""

from __future__ import annotations

import pytest
import torch

from refit_ros.benchmarking.scenes import random_crops, views_of
from refit_ros.core.body import load_body
from refit_ros.core.camera import weak_perspective_from_transl
from refit_ros.core.checkpoint import untrained_network
from refit_ros.core.config import SMALL
from refit_ros.core.flip import fit_with_flip, mirrored_crops, mirrored_rotmats
from refit_ros.core.rotations import rotmat_from_quaternion
from refit_ros.core.types import Crops, Estimate, Views

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    return untrained_network(SMALL, load_body())


def random_views(person: list[int]) -> Views:
    quaternion = torch.randn(len(person), 4, generator=torch.Generator().manual_seed(7))
    return Views(torch.tensor(person), rotmat_from_quaternion(quaternion))


@torch.inference_mode()
@pytest.mark.parametrize("count", range(1, 9))
def test_views_of_a_person_agree(network, count):
    crops, views = random_crops(count, 128, CPU), random_views([0] * count)
    for estimate in network(crops, views=views).history:
        world = views.camera_from_world.transpose(1, 2) @ estimate.rotmats[:, 0]
        identity = torch.eye(3).expand(count, 24, 3, 3)
        torch.testing.assert_close(estimate.rotmats @ estimate.rotmats.transpose(-1, -2), identity, rtol=0, atol=1e-5)
        torch.testing.assert_close(torch.linalg.det(estimate.rotmats), torch.ones(count, 24), rtol=0, atol=1e-5)
        torch.testing.assert_close(world, world[:1].expand_as(world), rtol=0, atol=1e-5)
        torch.testing.assert_close(
            estimate.rotmats[:, 1:], estimate.rotmats[:1, 1:].expand(count, -1, -1, -1), rtol=0, atol=1e-6
        )
        torch.testing.assert_close(estimate.betas, estimate.betas[:1].expand_as(estimate.betas), rtol=0, atol=1e-6)
    if count > 1:
        camera = network(crops, views=views).estimate.weak_perspective
        assert not torch.allclose(camera[0], camera[1]), "each view keeps its own camera"


@torch.inference_mode()
def test_people_in_one_call_do_not_see_each_other(network):
    person = [2, 0, 2, 1, 0, 2]
    crops, views = random_crops(6, 128, CPU), random_views(person)
    together = network(crops, views=views)
    for number in range(3):
        index = [i for i, p in enumerate(person) if p == number]
        alone = network(
            rows(crops, index), views=Views(torch.zeros(len(index), dtype=torch.int64), views.camera_from_world[index])
        )
        for a, b in zip(together.history, alone.history):
            torch.testing.assert_close(a.rotmats[index], b.rotmats, rtol=0, atol=1e-4)
            torch.testing.assert_close(a.transl[index], b.transl, rtol=1e-3, atol=1e-3)


def rows(crops: Crops, index) -> Crops:
    return Crops(*(getattr(crops, name)[index] for name in ("images", "center_px", "side_px", "focal_px", "principal_px")))


@torch.inference_mode()
def test_a_known_shape_is_held_after_every_update(network):
    crops = random_crops(3, 128, CPU)
    betas = torch.linspace(-1, 1, 30).reshape(3, 10)
    betas[1] = float("nan")
    free, fit = network(crops), network(crops, betas=betas)
    for i, estimate in enumerate(fit.history):
        assert torch.equal(estimate.betas[[0, 2]], betas[[0, 2]])
        torch.testing.assert_close(estimate.betas[1], free.history[i].betas[1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fit.estimate.rotmats[0], free.estimate.rotmats[0]), "the markers were posed with it"


@torch.inference_mode()
def test_a_warm_start_replaces_the_first_state(network):
    crops = random_crops(3, 128, CPU)
    begun = network(random_crops(3, 128, CPU, seed=4)).estimate
    weak = weak_perspective_from_transl(begun.transl, crops)
    weak[1] = float("nan")
    start = Estimate(begun.rotmats, begun.betas, weak, begun.transl)
    cold, warm = network(crops), network(crops, start=start)
    first = warm.history[0]
    for name in ("rotmats", "betas", "transl"):
        torch.testing.assert_close(getattr(first, name)[[0, 2]], getattr(begun, name)[[0, 2]], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(getattr(first, name)[1], getattr(cold.history[0], name)[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(warm.estimate.rotmats[1], cold.estimate.rotmats[1], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_as_many_iterations_as_asked_for(network, iterations):
    assert len(network(random_crops(1, 128, CPU), iterations=iterations).history) == iterations + 1
    assert len(network(random_crops(1, 128, CPU)).history) == network.config.iterations + 1


def test_each_iteration_teaches_by_itself(network):
    """Between iterations the state is detached: the last estimate's error does not reach the first guess."""
    fit = network(random_crops(2, 128, CPU))
    network.zero_grad()
    fit.estimate.rotmats.sum().backward()
    assert network.init_layer.weight.grad is None or not network.init_layer.weight.grad.any()
    assert network.update.of_h_q.grad.any() and network.backbone.stem[0][0].weight.grad.any()
    network.zero_grad()


def test_markers_are_hidden_only_in_training(network):
    maps = torch.ones(4, 67, 32, 32)
    assert network.feedback.hidden_markers(maps) is None
    network.train()
    try:
        factors = network.feedback.hidden_markers(maps)
    finally:
        network.eval()
    assert factors.shape == (4, 67, 1) and factors.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert 0.1 < (factors == 0).float().mean() < 0.45


@torch.inference_mode()
def test_windows_read_their_own_channel_first_index_along_x(network):
    maps = torch.zeros(1, 67, 32, 32)
    maps[0, 5] = torch.arange(32.0)  # the value is x
    maps[0, 6] = torch.arange(32.0)[:, None]  # the value is y
    markers_px = torch.full((1, 67, 2), 40.0)
    markers_px[0, 6] = torch.tensor([2.0, 8.0])  # partly outside
    seen = network.feedback.look(maps, markers_px).reshape(67, 7, 7)
    torch.testing.assert_close(seen[5], (10 + torch.arange(-3.0, 4))[:, None].expand(7, 7), rtol=0, atol=1e-4)
    assert (seen[6, :2] == 0).all() and torch.allclose(seen[6, 4], torch.arange(-1.0, 6).clamp_min(0), atol=1e-4)
    assert not seen[[i for i in range(67) if i not in (5, 6)]].any()


@torch.inference_mode()
def test_nothing_that_comes_out_is_nan_whatever_comes_in(network):
    for images in (torch.zeros(1, 3, 128, 128), torch.full((1, 3, 128, 128), 1e4)):
        for side, focal in ((1e-2, 1e5), (1e5, 1.0)):
            crops = Crops(
                images, torch.tensor([[-1e4, 1e4]]), torch.tensor([side]), torch.tensor([focal]), torch.zeros(1, 2)
            )
            for estimate in network(crops).history:
                assert all(torch.isfinite(getattr(estimate, n)).all() for n in ("rotmats", "betas", "transl"))


def test_wrong_shapes_are_said_at_the_door(network):
    with pytest.raises(ValueError, match="128"):
        network.encode(torch.zeros(1, 3, 256, 256))
    crops = random_crops(2, 128, CPU)
    with pytest.raises(ValueError, match="side_px"):
        Crops(crops.images, crops.center_px, crops.side_px[:1], crops.focal_px, crops.principal_px)
    with pytest.raises(ValueError, match="camera_from_world"):
        Views(torch.zeros(2, dtype=torch.int64), torch.zeros(2, 4, 4))


@torch.inference_mode()
def test_the_flip_test_of_a_mirrored_image_is_the_mirrored_result(network):
    crops = random_crops(2, 128, CPU)
    plain, mirrored = fit_with_flip(network, crops), fit_with_flip(network, mirrored_crops(crops))
    torch.testing.assert_close(mirrored_rotmats(mirrored.rotmats), plain.rotmats, rtol=0, atol=1e-4)
    torch.testing.assert_close(mirrored.betas, plain.betas, rtol=0, atol=1e-4)
    torch.testing.assert_close(mirrored_rotmats(mirrored_rotmats(plain.rotmats)), plain.rotmats)


@torch.inference_mode()
def test_one_body_through_two_cameras(network):
    """A batch of people of different cameras: each row is as if it came alone."""
    crops = random_crops(3, 128, CPU)
    crops = Crops(
        crops.images,
        crops.center_px,
        crops.side_px,
        torch.tensor([500.0, 900.0, 1500.0]),
        torch.tensor([[320.0, 240.0], [640.0, 360.0], [300.0, 200.0]]),
    )
    together = network(crops).estimate
    for i in range(3):
        alone = network(rows(crops, [i])).estimate
        torch.testing.assert_close(together.rotmats[i], alone.rotmats[0], rtol=0, atol=1e-4)
        torch.testing.assert_close(together.transl[i], alone.transl[0], rtol=1e-3, atol=1e-3)


def test_ring_of_views_is_made_of_rotations():
    views = views_of(2, 3, CPU)
    torch.testing.assert_close(torch.linalg.det(views.camera_from_world), torch.ones(6))

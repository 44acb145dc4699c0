"""The loop on keypoint evidence: the same state and constraints, another feedback."""

import dataclasses

import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import load_network, save_network, untrained_network
from refit_ros.core.errors import InputError
from refit_ros.core.inference import prepare
from refit_ros.core.keypoints import (
    LANDMARKS,
    KeypointEvidence,
    KeypointRefit,
    about_hips,
    crops_without_images,
    place_in_crop,
    square_of_landmarks,
)
from refit_ros.core.rotations import rotmat_from_6d
from refit_ros.core.types import Views


@pytest.fixture(scope="module")
def network():
    return untrained_network(LANDMARKS, load_body())


def drawn(count=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    kinds = LANDMARKS.markers
    evidence = KeypointEvidence(
        torch.rand(count, kinds, 2, generator=generator) * 2 - 1,
        torch.rand(count, kinds, generator=generator),
        torch.randn(count, kinds, 3, generator=generator) * 0.4,
        torch.rand(count, kinds, generator=generator),
    )
    crops = crops_without_images(
        torch.rand(count, 2, generator=generator) * 400,
        torch.full((count,), 300.0),
        torch.full((count,), 700.0),
        torch.full((count, 2), 200.0),
    )
    return evidence, crops


def same(first, second, tolerance=1e-5):
    return all(
        torch.allclose(getattr(first.estimate, name), getattr(second.estimate, name), atol=tolerance)
        for name in ("rotmats", "betas", "weak_perspective")
    )


def test_what_is_not_seen_has_no_say(network):
    evidence, crops = drawn()
    gone = torch.rand(evidence.visibility.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    visibility, quality = evidence.visibility.masked_fill(gone, 0), evidence.quality.masked_fill(gone, 0)
    one = dataclasses.replace(evidence, visibility=visibility, quality=quality)
    other = dataclasses.replace(
        one,
        place=torch.where(gone[..., None], -one.place, one.place),
        offset_m=torch.where(gone[..., None], one.offset_m + 1, one.offset_m),
    )
    assert same(network.fit(one, crops), network.fit(other, crops), 0)
    seen = dataclasses.replace(one, place=torch.where(gone[..., None], one.place, -one.place))
    assert not same(network.fit(one, crops), network.fit(seen, crops), 1e-4)


def test_the_feedback_sees_differences_only(network):
    """Evidence that is just where the body is says no more than that it is seen."""
    evidence, crops = drawn()
    here = dict(place=evidence.place, offset_m=evidence.offset_m)
    moved = dataclasses.replace(evidence, place=evidence.place + 0.1, offset_m=evidence.offset_m + 0.2)
    there = dict(place=moved.place, offset_m=moved.offset_m)
    feedback = network.feedback
    assert torch.allclose(feedback(evidence, **here), feedback(moved, **there), atol=1e-5)
    assert not torch.allclose(feedback(evidence, **here), feedback(evidence, **there), atol=1e-3)


def test_a_body_fits_its_own_evidence(network):
    """Projection and 3D of the loop are those that evidence is told in."""
    evidence, crops = drawn()
    estimate = network.fit(evidence, crops).estimate
    landmarks_m, _ = network.landmark_body(estimate.betas, estimate.rotmats, estimate.transl)
    place, offset_m = place_in_crop(landmarks_m, crops), about_hips(landmarks_m)
    px = landmarks_m[..., :2] / landmarks_m[..., 2:] * 700 + 200
    assert torch.allclose(place, 2 * (px - crops.center_px[:, None]) / 300, atol=1e-3)
    hips = [23, 24]
    assert offset_m[:, hips].mean(1).abs().max() < 1e-6


def test_views_of_a_person_agree_and_one_view_is_left_alone(network):
    evidence, crops = drawn()
    turned = rotmat_from_6d(torch.randn(5, 6, generator=torch.Generator().manual_seed(2)))
    alone = network.fit(evidence, crops, Views(torch.arange(5), turned))
    assert same(alone, network.fit(evidence, crops))
    estimate = network.fit(evidence, crops, Views(torch.tensor([0, 0, 0, 1, 1]), turned)).estimate
    assert torch.allclose(estimate.betas[0], estimate.betas[2]) and not torch.allclose(estimate.betas[0], estimate.betas[3])
    world = turned.mT @ estimate.rotmats[:, 0]
    assert torch.allclose(world[0], world[2], atol=1e-4) and torch.allclose(world[3], world[4], atol=1e-4)


def test_known_shapes_and_warm_starts_hold(network):
    evidence, crops = drawn()
    betas = torch.full((5, 10), float("nan"))
    betas[1] = 0.7
    estimate = network.fit(evidence, crops, betas=betas).estimate
    assert (estimate.betas[1] == 0.7).all() and (estimate.betas[0] != 0.7).all()
    again = network.fit(evidence, crops, start=estimate, iterations=0).estimate
    assert torch.allclose(again.rotmats, estimate.rotmats, atol=1e-4)


def test_a_file_gives_the_same_network_back(network, tmp_path):
    save_network(network, tmp_path / "keypoints.safetensors")
    loaded = load_network(tmp_path / "keypoints.safetensors")
    assert isinstance(loaded, KeypointRefit) and not loaded.embedded
    evidence, crops = drawn()
    assert same(loaded.fit(evidence, crops), network.fit(evidence, crops))
    assert isinstance(load_network("untrained:keypoints"), KeypointRefit)


def test_bad_evidence_is_told(network):
    evidence, crops = drawn()
    with pytest.raises(ValueError, match=r"place has shape \(5, 38, 3\)"):
        KeypointEvidence(torch.zeros(5, 38, 3), evidence.visibility, evidence.offset_m, evidence.quality)
    with pytest.raises(ValueError, match="takes keypoint evidence"):
        network(crops)
    with pytest.raises(ValueError, match="looks at 33 landmarks and this version knows 38"):
        KeypointRefit(dataclasses.replace(LANDMARKS, markers=33), load_body())


def test_the_square_holds_what_is_seen():
    px = torch.tensor([[[0.0, 0.0], [100.0, 40.0], [900.0, 900.0]], [[10.0, 10.0], [20.0, 20.0], [30.0, 50.0]]])
    visibility = torch.tensor([[1.0, 0.9, 0.1], [0.02, 0.02, 0.02]])
    center, side = square_of_landmarks(px, visibility)
    assert center.tolist() == [[50, 20], [20, 30]] and side.tolist() == [125, 50]


def test_a_keypoint_network_is_not_prepared_for_images(network):
    with pytest.raises(InputError, match="takes landmarks, not images"):
        prepare(network)

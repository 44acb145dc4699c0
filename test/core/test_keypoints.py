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
    differences,
    place_in_crop,
    square_of_landmarks,
)
from refit_ros.core.landmarks import landmark_mixture
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


def posed(network, seed=4):
    generator = torch.Generator().manual_seed(seed)
    betas = torch.randn(5, 10, generator=generator)
    rotmats = rotmat_from_6d(torch.randn(5, 24, 6, generator=generator))
    return betas, rotmats, torch.tensor([[0.2, 0.1, 4.0]]).expand(5, 3)


def test_evidence_that_is_just_where_the_body_is_differs_in_nothing(network):
    evidence, crops = drawn()
    betas, rotmats, transl = posed(network)
    body = network.landmark_body.posed(betas, rotmats, transl)
    here = dataclasses.replace(evidence, place=place_in_crop(body.landmarks_m, crops), offset_m=about_hips(body.landmarks_m))
    none = differences(here, body, rotmats, crops)
    assert none[..., :2].abs().max() < 1e-5 and none[..., 4:].abs().max() < 1e-5
    assert torch.equal(none[..., 2], evidence.visibility) and torch.equal(none[..., 3], evidence.quality)
    there = differences(dataclasses.replace(here, offset_m=here.offset_m + 0.05), body, rotmats, crops)
    assert there[..., 4:7].abs().max() > 0.05 and torch.equal(there[..., 10:13], none[..., 10:13])


def test_a_difference_is_the_same_in_the_trunk_s_and_the_bone_s_frame_wherever_the_person_turns(network):
    """So that what bends a knee is learned once."""
    evidence, crops = drawn()
    betas, rotmats, transl = posed(network)
    turned = rotmat_from_6d(torch.randn(1, 6, generator=torch.Generator().manual_seed(6)))
    results = []
    for turn in (torch.eye(3)[None], turned):
        moved = rotmats.clone()
        moved[:, 0] = turn @ moved[:, 0]
        body = network.landmark_body.posed(betas, moved, transl)
        offset_m = about_hips(body.landmarks_m) + torch.tensor([0.03, 0.02, -0.01]) @ (turn.mT)
        results.append(differences(dataclasses.replace(evidence, offset_m=offset_m), body, moved, crops))
    first, second = results
    assert not torch.allclose(first[..., 4:7], second[..., 4:7], atol=1e-2)
    for own in (slice(7, 10), slice(13, 16)):
        assert torch.allclose(first[..., own], second[..., own], atol=1e-4)


def test_landmarks_are_posed_as_the_body_is(network):
    betas, rotmats, transl = posed(network)
    body = load_body()
    vertices, weights = landmark_mixture(body.arrays)
    markers_m, joints_m = body.with_markers(vertices).markers_and_joints(betas, rotmats, transl)
    landmarks_m = torch.from_numpy(weights) @ torch.cat((joints_m, markers_m), dim=1)
    mine = network.landmark_body.posed(betas, rotmats, transl)
    assert torch.allclose(mine.landmarks_m, landmarks_m, atol=2e-6) and torch.allclose(mine.joints_m, joints_m, atol=2e-6)
    assert torch.allclose(network.landmark_body.joints(betas, rotmats), joints_m - transl[:, None], atol=2e-6)
    assert torch.allclose(network.landmark_body.rest_joints(betas), body.rest_joints(betas), atol=2e-6)


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

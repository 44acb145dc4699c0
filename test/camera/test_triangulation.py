"""Points from several cameras: exact, robust, and honest about what they do not know."""

import pytest
import torch

from refit_ros.camera.triangulation import LEAST_QUALITY, evidence_of_views, triangulate
from refit_ros.core.keypoints import about_hips, crops_without_images
from refit_ros.core.landmarks import LANDMARK_NAMES

KINDS = len(LANDMARK_NAMES)


def looking_in(count, far=4.0):
    """camera_from_world (count, 3, 4) of level cameras round the origin."""
    poses = []
    for number in range(count):
        angle = torch.tensor(0.3 + number * 1.4)
        c, s = torch.cos(angle), torch.sin(angle)
        turned = torch.tensor([[-s, c, 0.0], [0.0, 0.0, -1.0], [-c, -s, 0.0]])
        poses.append(torch.cat([turned, torch.tensor([[0.0], [0.2], [far]])], 1))
    return torch.stack(poses).double()


def seen(points, poses):
    inside = torch.einsum("vij,kj->vki", poses[..., :3], points) + poses[:, None, :, 3]
    return inside[..., :2] / inside[..., 2:]


@pytest.fixture
def points():
    return torch.randn(KINDS, 3, generator=torch.Generator().manual_seed(0)).double() * 0.4


def solve(rays, poses, weight=None):
    weight = torch.ones(rays.shape[:2]).double() if weight is None else weight
    return triangulate(rays[None], weight[None], poses[None], torch.full((1, len(poses)), 0.004).double())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_exact_rays_give_the_points(points, count):
    poses = looking_in(count)
    found = solve(seen(points, poses), poses)
    assert (found.place_m[0] - points).abs().max() < 1e-4
    assert found.quality.min() > 0.8


@pytest.mark.parametrize("far_m", [1e3, 1e6])
def test_points_are_as_well_known_wherever_a_map_begins(points, far_m):
    poses, offset = looking_in(3), torch.tensor([0.6, -0.8, 0.0]).double() * far_m
    moved = poses.clone()
    moved[..., 3] -= poses[..., :3] @ offset
    rays = seen(points, poses) + 0.002 * torch.randn(3, KINDS, 2, generator=torch.Generator().manual_seed(1)).double()
    here, there = solve(rays, poses), solve(rays, moved)
    assert (there.place_m - offset - here.place_m).abs().max() < 1e-5
    assert (there.quality - here.quality).abs().max() < 1e-4


def test_one_view_that_shows_something_else_is_left_out(points):
    poses = looking_in(4)
    rays = seen(points, poses)
    rays[2] += 0.15
    found = solve(rays, poses)
    assert (found.place_m[0] - points).abs().max() < 0.01


def test_what_one_camera_sees_has_no_place(points):
    poses = looking_in(3)
    weight = torch.ones(3, KINDS).double()
    weight[1:, 5] = 0
    weight[:, 6] = 0
    quality = solve(seen(points, poses), poses, weight).quality[0]
    assert quality[5] < LEAST_QUALITY and quality[6] < LEAST_QUALITY and quality[7] > 0.8


def evidence(points, poses, visibility, counts=None):
    count = len(poses)
    crops = crops_without_images(
        torch.full((count, 2), 320.0).double(),
        torch.full((count,), 300.0).double(),
        torch.full((count,), 600.0).double(),
        torch.full((count, 2), 320.0).double(),
    )
    alone, said = torch.full((count, KINDS, 3), 9.0).double(), 0.3 * torch.ones(count, KINDS).double()
    px = seen(points, poses) * 600 + 320
    return evidence_of_views(px, visibility, alone, said, crops, (counts or count, poses)), px


def test_evidence_is_told_in_each_camera_about_the_hips(points):
    poses = looking_in(3)
    visibility = torch.ones(3, KINDS).double()
    visibility[1:, 0] = 0
    found, px = evidence(points, poses, visibility)
    wanted = about_hips(torch.einsum("vij,kj->vki", poses[..., :3], points))
    assert (found.offset_m - wanted)[:, 1:].abs().max() < 1e-3 and (found.quality[:, 1:] > 0.8).all()
    # one image's word, where views do not help
    assert (found.offset_m[:, 0] == 9).all() and (found.quality[:, 0] == 0.3).all()
    assert torch.allclose(found.place, (px - 320) / 150)


def test_without_hips_nothing_has_a_place(points):
    poses = looking_in(2)
    visibility = torch.ones(2, KINDS).double()
    visibility[0, 23] = 0
    found, _ = evidence(points, poses, visibility)
    assert (found.quality == 0.3).all()


def test_people_seen_by_different_numbers_of_views_are_as_each_alone(points):
    """One person three times, one once, one twice."""
    poses = [looking_in(3), looking_in(1), looking_in(2)]
    visibility = torch.rand(6, KINDS, generator=torch.Generator().manual_seed(3)).double() * 0.5 + 0.5
    together, _ = evidence(points, torch.cat(poses), visibility, [3, 1, 2])
    first = 0
    for own in poses:
        rows = slice(first, first + len(own))
        alone, _ = evidence(points, own, visibility[rows], None if len(own) > 1 else [1])
        for name in ("place", "visibility", "offset_m", "quality"):
            assert (getattr(together, name)[rows] - getattr(alone, name)).abs().max() < 1e-9, name
        first += len(own)
    assert (together.quality[3] == 0.3).all(), "who is seen once keeps what one image says"

"""Scenes: images and truth of one time belong together."""

import numpy as np
import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.rotations import rotmat_from_axis_angle
from refit_ros.synthetic.cameras import looking_at, ring_of_cameras
from refit_ros.synthetic.scenes import SCENES, bumped, named_scene


@pytest.fixture(scope="module")
def body():
    return load_body().eval()


def scene(name, body, **options):
    return named_scene(name, width_px=160, height_px=120, body=body, **options)


@pytest.mark.parametrize("name", SCENES)
def test_named_scenes_render_and_tell_the_truth(name, body):
    it = scene(name, body, seed=3)
    image, people = it.render(0.5, 0), it.truth(0.5)
    assert image.shape == (120, 160, 3) and image.dtype == np.uint8
    assert len({p.id for p in people}) == len(people) == len(it.actors)
    for person in people:
        turned = np.concatenate([person.global_orient[None], person.body_pose])
        joints = body.joints(
            torch.tensor(person.betas)[None].float(),
            rotmat_from_axis_angle(torch.tensor(turned).float())[None],
            torch.tensor(person.transl)[None].float(),
        )[0]
        assert np.abs(joints.numpy() - person.joints).max() < 1e-4
        assert person.joints[:, 2].min() > -0.05 and person.joints[:, 2].max() < 2.6


def test_people_are_where_the_truth_projects(body):
    it = scene("walking", body, cameras=2)
    for camera, (calibration, pose) in enumerate(it.cameras):
        moved = np.abs(it.render(1.0, camera).astype(int) - it.render(3.0, camera).astype(int)).sum(-1) > 20
        for time_s in (1.0, 3.0):
            joints = (it.truth(time_s)[0].joints - pose[:3, 3]) @ pose[:3, :3]
            pixels = joints[:, :2] / joints[:, 2:] * calibration.K[0, 0] + calibration.K[:2, 2]
            trunk = pixels[[0, 3, 6, 9]].round().astype(int)
            assert moved[trunk[:, 1], trunk[:, 0]].mean() > 0.7


def test_scenes_are_seeded_and_pure(body):
    first, again, other = (scene("three_people", body, seed=s) for s in (1, 1, 2))
    late, early = first.render(2.0, 1), first.render(0.3, 1)
    assert np.array_equal(again.render(0.3, 1), early) and np.array_equal(again.render(2.0, 1), late)
    assert not np.array_equal(other.render(0.3, 1), early)


def test_the_nearer_person_hides_the_farther(body):
    it = scene("crossing", body)
    both = it.render(1.4, 0)
    assert len(it.truth(0)) == 2
    positions = np.array([[p.joints[0, 0] for p in it.truth(t)] for t in np.arange(0, 4, 0.1)])
    assert (np.sign(positions[:, 0] - positions[:, 1]) != np.sign(positions[0, 0] - positions[0, 1])).any()  # they pass
    gap = min(np.linalg.norm(np.subtract(*[p.joints[0] for p in it.truth(t)])) for t in np.arange(0, 4, 0.1))
    assert gap > 0.3  # and do not walk through each other
    assert both.shape == (120, 160, 3)


def test_half_out_is_half_out(body):
    it = scene("half_out", body)
    calibration, pose = it.cameras[0]
    joints = (it.truth(0.5)[0].joints - pose[:3, 3]) @ pose[:3, :3]
    x = joints[:, 0] / joints[:, 2] * calibration.K[0, 0] + calibration.K[0, 2]
    assert 0.2 < ((x >= 0) & (x < 160)).mean() < 0.9


def test_asked_for_numbers_are_given(body):
    it = scene("walking", body, cameras=3, people=4, names=["a", "b", "c"])
    assert [c.name for c, _ in it.cameras] == ["a", "b", "c"] and len(it.actors) == 4
    with pytest.raises(ValueError, match="no scene 'flying'"):
        scene("flying", body)
    with pytest.raises(ValueError, match="3 cameras need 3 names"):
        scene("walking", body, cameras=3, names=["a"])


def test_cameras_look_at_the_middle():
    for count in (1, 2, 3, 4, 8):
        ring = ring_of_cameras(count)
        assert len(ring) == count
        for _, pose in ring:
            assert np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-9) and np.linalg.det(pose[:3, :3]) > 0
            seen = (np.array([0, 0, 0.95]) - pose[:3, 3]) @ pose[:3, :3]
            assert abs(seen[0]) < 1e-9 and abs(seen[1]) < 1e-9 and seen[2] > 2
            up = pose[:3, :3].T @ [0, 0, 1]
            assert up[1] < -0.7  # y is down
    with pytest.raises(ValueError, match="at least one"):
        ring_of_cameras(0)


def test_a_bump_moves_a_camera_by_so_much(body):
    pose = looking_at(np.array([0, -4, 1.5]), np.array([0, 0, 1.0]))
    knocked = bumped(pose, 3.0, 0.1, seed=1)
    angle = np.degrees(np.arccos((np.trace(knocked[:3, :3] @ pose[:3, :3].T) - 1) / 2))
    assert abs(angle - 3) < 1e-6 and abs(np.linalg.norm(knocked[:3, 3] - pose[:3, 3]) - 0.1) < 1e-9
    it = scene("standing", body)
    after = it.with_camera(0, bumped(it.cameras[0][1], 5, 0.1))
    assert not np.array_equal(after.render(0, 0), it.render(0, 0))
    assert np.allclose(after.truth(0)[0].joints, it.truth(0)[0].joints)

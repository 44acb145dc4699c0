"""The body: equal to smplx's own, its markers equal to the mesh's, turned and moved as SMPL is."""

from __future__ import annotations

import pytest
import torch
from smplx.lbs import lbs

from refit_ros.core.body import load_body
from refit_ros.core.body_files import smplx_layer
from refit_ros.core.rotations import so3_exp


@pytest.fixture(scope="module")
def body():
    return load_body()


def random_bodies(count: int = 3):
    generator = torch.Generator().manual_seed(0)
    betas = torch.randn(count, 10, generator=generator)
    rotmats = so3_exp(0.6 * torch.randn(count, 24, 3, generator=generator))
    return betas, rotmats, torch.randn(count, 3, generator=generator)


def test_equal_to_smplx(body):
    betas, rotmats, transl = random_bodies()
    layer = smplx_layer(body.arrays)
    expected = layer(betas=betas, global_orient=rotmats[:, :1], body_pose=rotmats[:, 1:], transl=transl)
    torch.testing.assert_close(body.vertices(betas, rotmats, transl), expected.vertices, rtol=0, atol=2e-6)
    torch.testing.assert_close(body.joints(betas, rotmats, transl), expected.joints[:, :24], rtol=0, atol=2e-6)
    vertices, joints = lbs(
        betas,
        rotmats,
        layer.v_template,
        layer.shapedirs,
        layer.posedirs,
        layer.J_regressor,
        layer.parents,
        layer.lbs_weights,
        pose2rot=False,
    )
    torch.testing.assert_close(body.vertices(betas, rotmats), vertices, rtol=0, atol=2e-6)
    torch.testing.assert_close(body.joints(betas, rotmats), joints, rtol=0, atol=2e-6)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_markers_and_joints_alone_agree_with_the_whole_mesh(body, exact, count):
    betas, rotmats, transl = random_bodies(count)
    whole = body.vertices(betas, rotmats)[:, list(body.markers)] + transl[:, None]
    joints = body.joints(betas, rotmats, transl)
    body.exact_joints = exact
    try:
        markers, posed = body.markers_and_joints(betas, rotmats, transl)
    finally:
        body.exact_joints = True
    assert markers.shape == (count, 67, 3)
    torch.testing.assert_close(markers, whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(posed, joints, rtol=0, atol=1e-6)


def test_the_body_turns_about_its_root_joint(body):
    betas, rotmats, transl = random_bodies()
    root = body.rest_joints(betas)[:, 0]
    torch.testing.assert_close(body.joints(betas, rotmats, transl)[:, 0], root + transl, rtol=0, atol=1e-6)


def test_a_rigid_motion_of_the_frame(body):
    """global_orient -> A R, transl -> A (J0 + transl) + a - J0."""
    betas, rotmats, transl = random_bodies()
    turn, step = so3_exp(torch.tensor([0.3, -0.8, 0.5])), torch.tensor([1.0, -2.0, 3.0])
    root = body.rest_joints(betas)[:, 0]
    moved_rotmats = torch.cat((turn @ rotmats[:, :1], rotmats[:, 1:]), dim=1)
    moved_transl = (root + transl) @ turn.T + step - root
    expected = body.vertices(betas, rotmats, transl) @ turn.T + step
    torch.testing.assert_close(body.vertices(betas, moved_rotmats, moved_transl), expected, rtol=0, atol=1e-5)


def test_height_is_that_of_the_rest_pose(body):
    betas, _, _ = random_bodies()
    rest = body.vertices(betas, torch.eye(3).expand(3, 24, 3, 3))[..., 1]
    torch.testing.assert_close(body.height_m(betas), rest.amax(1) - rest.amin(1), rtol=0, atol=1e-5)
    assert 1.4 < body.height_m(torch.zeros(1, 10)).item() < 2.1


def test_it_is_not_part_of_a_state_dict(body):
    assert not body.state_dict()


def test_gradients_reach_shape_and_pose(body):
    betas, rotmats, transl = random_bodies(1)
    betas, rotmats = betas.requires_grad_(), rotmats.requires_grad_()
    markers, joints = body.markers_and_joints(betas, rotmats, transl)
    (markers.square().sum() + joints.square().sum()).backward()
    assert betas.grad.abs().sum() > 0 and rotmats.grad.abs().sum() > 0 and torch.isfinite(rotmats.grad).all()

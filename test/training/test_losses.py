import dataclasses

import pytest
import torch
from dot_people import DotSource

from refit_ros.core.types import Estimate, Fit
from refit_ros.training.data import batch_of_samples, join
from refit_ros.training.losses import LossWeights, fit_loss

PUBLISHED = LossWeights()


@pytest.fixture
def batch(body):
    return batch_of_samples(DotSource(body, 64, "train", 0).batch(3))


def truth(batch, betas=0.0):
    return Estimate(batch.rotmats, batch.betas + betas, torch.zeros(len(batch), 3), batch.transl)


def fit_of(*estimates):
    return Fit(estimates[-1], estimates)


@pytest.mark.parametrize("weights", [PUBLISHED, LossWeights(whole_mesh=False, joints=1.0, depth=1.0)])
def test_the_truth_costs_nothing(batch, body, weights):
    loss, _ = fit_loss(fit_of(truth(batch), truth(batch)), batch, body, weights)
    assert loss.item() < 0.05  # joints: the root of 1e-8


def test_each_term_is_the_published_formula(batch, body):
    estimate = truth(batch, betas=0.5)
    loss, terms = fit_loss(fit_of(estimate), batch, body, PUBLISHED)
    joints, true_joints = body.joints(estimate.betas, estimate.rotmats), body.joints(batch.betas, batch.rotmats)
    off = (joints - joints[:, :1]) - (true_joints - true_joints[:, :1])
    surface = body.vertices(estimate.betas, estimate.rotmats) - body.vertices(batch.betas, batch.rotmats)
    in_camera = joints + batch.transl[:, None]
    px = 500 * in_camera[..., :2] / in_camera[..., 2:] + 256
    off_crop = (px - batch.joints_px) * 2 / batch.side_px[:, None, None]
    assert terms["shape"].item() == pytest.approx(0.25, rel=1e-4)
    assert terms["keypoints_m"].item() == pytest.approx(off.square().mean().item(), rel=1e-3)
    assert terms["surface"].item() == pytest.approx(surface.abs().mean().item(), rel=1e-3)
    assert terms["keypoints_px"].item() == pytest.approx(off_crop.square().mean().item(), rel=1e-3)
    expected = 60 * (5 * terms["keypoints_px"] + 5 * terms["keypoints_m"] + 0.001 * terms["shape"] + terms["surface"])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_later_iterations_weigh_more(batch, body):
    weights = LossWeights(keypoints_px=0, keypoints_m=0, rotations=0, surface=0, shape=1.0, scale=1.0)
    loss, _ = fit_loss(fit_of(truth(batch, 1.0), truth(batch, 1.0), truth(batch, 1.0)), batch, body, weights)
    assert loss.item() == pytest.approx(0.85**2 + 0.85 + 1, rel=1e-4)


def test_what_is_not_known_does_not_count(batch, body):
    unknown = dataclasses.replace(
        batch,
        body_weight=torch.zeros(3),
        transl_weight=torch.zeros(3),
        joints_m_weight=torch.zeros(3, 24),
        joints_px_weight=torch.zeros(3, 24),
    )
    loss, _ = fit_loss(fit_of(truth(batch, 2.0)), unknown, body, LossWeights(depth=1.0, joints=1.0))
    assert loss.item() == 0


def test_a_body_behind_the_camera_has_a_finite_loss_and_gradient(batch, body):
    transl = (-batch.transl).requires_grad_()
    estimate = Estimate(batch.rotmats, batch.betas, torch.zeros(3, 3), transl)
    loss, _ = fit_loss(fit_of(estimate), batch, body, LossWeights(depth=1.0, keypoints_px_limit=1.0))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(transl.grad).all()


def test_joining_keeps_people_apart(body):
    source = DotSource(body, 64, "train", 0)
    sets, singles = batch_of_samples(source.batch(2, views=4)), batch_of_samples(source.batch(3))
    person = join([sets, singles]).person
    assert len(set(person[:8].tolist())) == 2 and len(set(person.tolist())) == 5

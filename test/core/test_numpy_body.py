"""The body in NumPy: where the network's own body puts joints and markers, however many people come at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from refit_ros.camera.geometry import along_the_tree
from refit_ros.core.body import load_body
from refit_ros.core.numpy_body import NumpyBody
from refit_ros.core.rotations import so3_exp


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.mark.parametrize("count", [1, 3])
def test_joints_and_markers_are_where_the_body_puts_them(body, count):
    generator = torch.Generator().manual_seed(1)
    betas = torch.randn(count, 10, generator=generator)
    rotmats = so3_exp(0.6 * torch.randn(count, 24, 3, generator=generator))
    expected = [value.numpy() for value in body.markers_and_joints(betas, rotmats)]
    posing, given = NumpyBody.of(body), (betas.double().numpy(), rotmats.double().numpy())
    markers, joints = posing.points_and_joints(*given)
    assert markers.shape == (count, 67, 3)
    np.testing.assert_allclose(markers, expected[0], atol=1e-6)
    np.testing.assert_allclose(joints, expected[1], atol=1e-6)
    alone, turned = posing.joints(*given)
    np.testing.assert_array_equal(alone, joints)
    np.testing.assert_array_equal(turned, along_the_tree(given[1]))

"""The two rasterizers agree with each other and with what geometry says."""

import pytest
import torch

from refit_ros.core.body import Body
from refit_ros.core.body_files import read_body
from refit_ros.synthetic.anatomy import turn
from refit_ros.synthetic.raster import rasterize

ENGINES = ["torch", pytest.param("numba", marks=pytest.mark.filterwarnings("ignore"))]
SQUARE = torch.tensor([[0, 2, 1], [0, 3, 2]])  # counter-clockwise seen by a camera whose y is down


@pytest.fixture(autouse=True)
def numba_is_there(request):
    if "numba" in request.node.name:
        pytest.importorskip("numba", reason="numba is not installed")


def square(left, top, right, bottom, depths=(2.0, 2.0, 2.0, 2.0)):
    corners = torch.tensor([[left, top], [right, top], [right, bottom], [left, bottom]])
    return torch.cat([corners, torch.tensor(depths)[:, None]], 1).float()


@pytest.mark.parametrize("engine", ENGINES)
def test_square_covers_its_pixels_and_nothing_else(engine):
    fragments = rasterize(square(2.5, 3.5, 6.5, 9.5)[None], SQUARE, torch.zeros(1, dtype=torch.int64), 1, 16, 12, engine)
    covered = torch.zeros(16 * 12, dtype=torch.bool)
    covered[fragments.pixel] = True
    expected = torch.zeros(16, 12, dtype=torch.bool)
    expected[4:10, 3:7] = True
    assert torch.equal(covered.view(16, 12), expected)
    assert torch.allclose(fragments.bary.sum(1), torch.ones(len(fragments.pixel)), atol=1e-5)
    assert torch.allclose(fragments.depth_m, torch.full((len(fragments.pixel),), 2.0), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_nearer_hides_farther_in_its_own_image_only(engine):
    points = torch.stack(
        [square(0, 0, 8, 8, (3.0,) * 4), square(-2, -2, 30, 4.5, (1.0,) * 4), square(0, 0, 8, 8, (1.0,) * 4)]
    )
    fragments = rasterize(points, SQUARE, torch.tensor([0, 0, 1]), 2, 9, 9, engine)
    mesh = torch.full((2 * 81,), -1)
    mesh[fragments.pixel] = fragments.mesh
    mesh = mesh.view(2, 9, 9)
    assert (mesh[0, :5] == 1).all() and (mesh[0, 5:8, :8] == 0).all() and (mesh[1, :8, :8] == 2).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_places_on_a_slanted_triangle_are_true_in_space(engine):
    fragments = rasterize(
        square(0, 0, 20, 20, (1.0, 4.0, 4.0, 1.0))[None], SQUARE, torch.zeros(1, dtype=torch.int64), 1, 21, 21, engine
    )
    x = (fragments.pixel % 21).float()
    assert torch.allclose(1 / fragments.depth_m, 1 - 0.75 * x / 20, atol=1e-4)  # one over depth is even on the image


@pytest.mark.parametrize("engine", ENGINES)
def test_back_faces_and_what_is_behind_the_camera_are_left_out(engine):
    none = torch.zeros(1, dtype=torch.int64)
    assert len(rasterize(square(0, 0, 8, 8)[None], SQUARE.flip(1), none, 1, 9, 9, engine).pixel) == 0
    assert len(rasterize(square(0, 0, 8, 8, (-1.0,) * 4)[None], SQUARE, none, 1, 9, 9, engine).pixel) == 0
    assert len(rasterize(square(20, 0, 28, 8)[None], SQUARE, none, 1, 9, 9, engine).pixel) == 0


def test_engines_agree_on_people():
    pytest.importorskip("numba", reason="numba is not installed")
    body = Body(read_body()).eval()
    rotmats = torch.eye(3).repeat(6, 24, 1, 1)
    rotmats[:, 0] = turn("y", torch.arange(6.0))
    vertices = body.vertices(torch.linspace(-1, 1, 60).view(6, 10), rotmats)
    points = torch.stack([vertices[..., 0] * 55.3 + 64.7, 64.2 - (vertices[..., 1] + 0.3) * 55.3, 3 - vertices[..., 2]], -1)
    points[1::2] += torch.tensor([9.3, 4.1, 0.2])
    image = torch.arange(6) // 2
    faces = torch.as_tensor(body.faces)
    depth = []
    for engine in ("numba", "torch"):
        fragments = rasterize(points, faces, image, 3, 128, 128, engine)
        depth.append(torch.zeros(3 * 128 * 128).index_put((fragments.pixel,), fragments.depth_m))
    assert (depth[0] > 0).float().mean() > 0.05
    assert ((depth[0] - depth[1]).abs() < 1e-3).float().mean() > 0.9995


def test_unknown_engine_is_named():
    with pytest.raises(ValueError, match="no rasterizer 'vulkan'"):
        rasterize(square(0, 0, 1, 1)[None], SQUARE, torch.zeros(1, dtype=torch.int64), 1, 4, 4, "vulkan")

"""The embedded body: a closed, symmetric human whose joints follow its shape, loaded by the code that loads SMPL."""

import numpy as np
import pytest
import torch

from refit_ros.core.body import Body
from refit_ros.core.body_files import EMBEDDED_BODY, read_body
from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, MIRRORED, PARENTS
from refit_ros.synthetic.body_skin import SHAPE_NAMES


@pytest.fixture(scope="module")
def arrays():
    with np.load(EMBEDDED_BODY) as file:
        return dict(file)


@pytest.fixture(scope="module")
def body():
    return Body(read_body()).eval()


def mirror_image(vertices):
    """Index of each vertex's mirror image, and how far it is from where it should be."""
    distance = np.linalg.norm((vertices * [-1, 1, 1])[:, None] - vertices[None], axis=-1)
    return distance.argmin(1), distance.min(1).max()


def test_file_is_small_and_has_smpls_arrays(arrays):
    count = len(arrays["v_template"])
    assert EMBEDDED_BODY.stat().st_size < 5_000_000
    assert 2000 <= count <= 6890
    assert arrays["shapedirs"].shape == (count, 3, 10)
    assert arrays["posedirs"].shape == (count, 3, 207)
    assert arrays["J_regressor"].shape == (24, count)
    assert arrays["kintree_table"][0, 1:].tolist() == list(PARENTS[1:])
    assert tuple(arrays["shape_names"]) == SHAPE_NAMES and len(set(SHAPE_NAMES)) == 10


def test_surface_is_closed_and_turned_outwards(arrays):
    v, f = arrays["v_template"].astype(float), arrays["f"].astype(int)
    directed = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)  # each edge once in each direction
    assert set(map(tuple, directed)) == set(map(tuple, directed[:, ::-1]))
    assert len(v) - len(directed) // 2 + len(f) == 2  # one piece, no handles
    volume = np.einsum("fc,fc->f", v[f[:, 0]], np.cross(v[f[:, 1]], v[f[:, 2]])).sum() / 6
    assert 0.05 < volume < 0.09  # m^3: a human's, positive for outward faces


def test_body_is_symmetric(arrays):
    mirror, miss = mirror_image(arrays["v_template"])
    assert miss < 1e-6
    weights = arrays["weights"]
    assert np.abs(weights[mirror][:, list(MIRRORED)] - weights).max() < 1e-5
    joints = arrays["J_regressor"] @ arrays["v_template"]
    assert np.abs(joints[list(MIRRORED)] * [-1, 1, 1] - joints).max() < 1e-4


def test_weights_and_regressor_are_shares(arrays):
    assert np.abs(arrays["weights"].sum(1) - 1).max() < 1e-5 and arrays["weights"].min() >= 0
    assert np.abs(arrays["J_regressor"].sum(1) - 1).max() < 1e-5 and arrays["J_regressor"].min() >= 0
    assert (arrays["J_regressor"] > 0).sum(1).max() < 400


def test_weights_pass_smoothly_over_the_surface(arrays):
    f = arrays["f"].astype(int)
    steps = np.abs(arrays["weights"][f[:, 0]] - arrays["weights"][f[:, 1]]).max(1)
    length = np.linalg.norm(arrays["v_template"][f[:, 0]] - arrays["v_template"][f[:, 1]], axis=1)
    assert np.percentile(steps / length, 99) < 40  # per metre: no seam jumps from 0 to 1 within 2.5 cm


def test_rest_pose_is_smpls(body):
    joints = body.rest_joints(torch.zeros(1, 10))[0]
    at = {name: joints[i] for name, i in JOINT_INDEX.items()}
    assert at["head"][1] > at["neck"][1] > at["spine3"][1] > at["pelvis"][1] > at["left_knee"][1] > at["left_ankle"][1]
    assert at["left_wrist"][0] > 0.5 > 0 > at["right_wrist"][0]  # the left is towards +x, arms out
    assert at["left_foot"][2] > at["left_ankle"][2] + 0.05  # toes towards +z
    nose = body.v_template[body.v_template[:, 1] > joints[JOINT_INDEX["head"], 1] + 0.03]
    assert nose[:, 2].max() - at["head"][2] > 0.08  # and so does the face
    assert 1.6 < float(body.height_m(torch.zeros(1, 10))) < 1.85


@pytest.mark.parametrize(
    "name, joints, axis, least_m",
    [
        ("stature", ("head", "left_ankle"), 1, 0.04),
        ("leg_length", ("left_hip", "left_ankle"), 1, 0.03),
        ("arm_length", ("left_shoulder", "left_wrist"), 0, 0.02),
        ("shoulder_width", ("left_shoulder", "right_shoulder"), 0, 0.02),
        ("hip_width", ("left_hip", "right_hip"), 0, 0.01),
        ("torso_length", ("pelvis", "neck"), 1, 0.02),
    ],
)
def test_shape_directions_do_what_they_say(body, name, joints, axis, least_m):
    betas = torch.zeros(2, 10)
    betas[1, SHAPE_NAMES.index(name)] = 1
    rest = body.rest_joints(betas)
    span = (rest[:, JOINT_INDEX[joints[0]], axis] - rest[:, JOINT_INDEX[joints[1]], axis]).abs()
    assert least_m < float(span[1] - span[0]) < 0.12


def test_girth_belly_and_limbs_make_wider_not_taller(body):
    for name in ("girth", "belly", "limb_thickness"):
        direction = body.shapedirs[..., SHAPE_NAMES.index(name)]
        betas = torch.zeros(1, 10)
        betas[0, SHAPE_NAMES.index(name)] = 1
        assert abs(float(body.height_m(betas) - body.height_m(torch.zeros(1, 10)))) < 0.015
        assert direction.norm(dim=1).max() > 0.005


def test_joints_stay_inside_at_two_sigma(body):
    generator = torch.Generator().manual_seed(0)
    betas = torch.randn(50, 10, generator=generator).clamp(-2, 2)
    identity = torch.eye(3).expand(50, 24, 3, 3)
    vertices, joints = body.vertices(betas, identity), body.joints(betas, identity)
    assert ((joints > vertices.amin(1, keepdim=True)) & (joints < vertices.amax(1, keepdim=True))).all()
    nearest = torch.cdist(joints, vertices).amin(-1)
    assert nearest.max() < 0.2 and nearest.min() > 0.005


def test_markers_are_spread_and_symmetric(arrays):
    markers, v = arrays["markers"], arrays["v_template"]
    assert len(markers) == 67 == len(set(markers.tolist()))
    places = v[markers]
    mirror, miss = mirror_image(places)
    assert miss < 1e-6
    gaps = np.linalg.norm(v[:, None] - places[None], axis=-1).min(1)
    assert gaps.max() < 0.2
    owner = arrays["weights"][markers].argmax(1)
    for part in ("head", "left_hand", "left_elbow", "left_knee"):
        assert (owner == JOINT_NAMES.index(part)).any(), part


def test_limits_bound_rest_and_mirror(arrays):
    limits = arrays["joint_limits"]
    assert limits.shape == (23, 3, 2) and (limits[..., 0] < 0).all() and (limits[..., 1] > 0).all()
    left, right = (limits[JOINT_INDEX[f"{side}_elbow"] - 1] for side in ("left", "right"))
    assert np.allclose(left[1], -right[1, ::-1]) and np.allclose(left[0], right[0])


@pytest.mark.slow
def test_the_script_makes_the_shipped_body(arrays):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    pytest.importorskip("fast_simplification", reason="fast-simplification is not installed")
    from refit_ros.synthetic.body_maker import make_body

    made = make_body()
    assert made["v_template"].shape == arrays["v_template"].shape
    assert np.abs(made["v_template"] - arrays["v_template"]).max() < 1e-4
    assert made["markers"].tolist() == arrays["markers"].tolist()

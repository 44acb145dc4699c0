"""Every file is opened by a reader that is not ours, and what it reads is held against the source."""

from __future__ import annotations

import numpy as np
import pytest
from motion_truth import body, joints_of, moving, sightings, vertices_of
from scipy.spatial.transform import Rotation

from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.estimation.palette import color_of
from refit_ros.motion.assemble import motions_of
from refit_ros.motion.files import write_motion

Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
FORMATS = ("npz", "bvh", "glb", "trc")


@pytest.fixture(scope="module")
def truth():
    """betas, poses, transl, joints (T, 24, 3)."""
    betas, poses, transl = moving()
    return betas, poses, transl, joints_of(betas, poses, transl)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    (motion,) = motions_of(sightings())
    written = write_motion(motion, tmp_path_factory.mktemp("motion"), FORMATS)
    assert [path.name for path in written] == [f"person_4.{ending}" for ending in FORMATS]
    return {path.suffix[1:]: path for path in written}


def test_npz_as_amass_has_it(files, truth):
    betas, poses, _, joints = truth
    with np.load(files["npz"], allow_pickle=False) as read:
        shapes = {key: read[key].shape for key in ("trans", "poses", "betas", "dmpls")}
        assert shapes == {"trans": (12, 3), "poses": (12, 156), "betas": (16,), "dmpls": (12, 8)}
        assert str(read["gender"]) == "neutral" and float(read["mocap_framerate"]) == pytest.approx(30)
        np.testing.assert_allclose(read["poses"][:, :66], poses.reshape(12, -1)[:, :66], atol=1e-9)
        assert not read["poses"][:, 66:].any()
        np.testing.assert_allclose(read["betas"][:10], betas)
        # Posing the body by the file's own numbers gives the joints back.
        again = joints_of(read["betas"][:10], read["smpl_poses"].reshape(12, 24, 3), read["trans"])
        np.testing.assert_allclose(again, joints, atol=1e-5)
        assert str(read["body_model"]) == "refit_ros" and int(read["id"]) == 4 and float(read["start_s"]) == 100


def test_bvh_poses_the_same_joints(files, truth):
    bvhio = pytest.importorskip("bvhio", reason="bvhio is not installed")
    read = bvhio.readAsBvh(str(files["bvh"]))
    assert read.FrameCount == 12 and 1 / read.FrameTime == pytest.approx(30, abs=1e-3)
    root = bvhio.readAsHierarchy(str(files["bvh"]))
    for frame in (0, 5, 11):
        root.loadPose(frame)
        found = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()}
        assert set(JOINT_NAMES) <= set(found)
        expected = 100 * truth[3][frame] @ Y_UP.T
        np.testing.assert_allclose([found[name] for name in JOINT_NAMES], expected, atol=0.01)


def test_trc_holds_the_joints(files, truth):
    trc = pytest.importorskip("trc", reason="trc-data-reader is not installed")
    read = trc.TRCData()
    read.load(str(files["trc"]))
    assert read["Markers"] == list(JOINT_NAMES) and read["NumFrames"] == 12 and read["Units"] == "m"
    assert read["DataRate"] == pytest.approx(30) and read["Time"][11] == pytest.approx(11 / 30, abs=1e-6)
    found = np.stack([np.array(read[name]) for name in JOINT_NAMES], axis=1)
    np.testing.assert_allclose(found, truth[3] @ Y_UP.T, atol=2e-6)


def test_glb_is_a_mesh_in_the_colour_of_its_id(files):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    scene = trimesh.load_scene(files["glb"])
    (mesh,) = scene.geometry.values()
    assert len(mesh.vertices) == body().vertex_count
    assert {tuple(sorted(face)) for face in mesh.faces} == {tuple(sorted(face)) for face in body().faces}
    linear = ((np.array(color_of(4)) + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(np.array(mesh.visual.material.baseColorFactor[:3]) / 255, linear, atol=0.01)


def test_glb_moves_its_joints_and_its_skin(files, truth):
    """Posed from what the reader finds in the file: nodes, animation and skin, by glTF's own rules."""
    pygltflib = pytest.importorskip("pygltflib", reason="pygltflib is not installed")
    read = pygltflib.GLTF2().load(str(files["glb"]))
    betas, poses, transl, joints = truth
    frame = 7
    animated = channels_at(read, frame)
    world = {}

    def visit(node: int, parent: np.ndarray) -> None:
        each = read.nodes[node]
        local = np.eye(4)
        local[:3, 3] = animated.get((node, "translation"), each.translation or [0, 0, 0])
        local[:3, :3] = Rotation.from_quat(animated.get((node, "rotation"), [0, 0, 0, 1])).as_matrix()
        world[node] = parent @ local
        for child in each.children or []:
            visit(child, world[node])

    visit(read.skins[0].skeleton, np.eye(4))
    assert [read.nodes[node].name for node in read.skins[0].joints] == list(JOINT_NAMES)
    found = np.array([world[node][:3, 3] for node in read.skins[0].joints])
    np.testing.assert_allclose(found, joints[frame] @ Y_UP.T, atol=1e-5)

    attributes = read.meshes[0].primitives[0].attributes
    inverse = accessor(read, read.skins[0].inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    matrices = np.array([world[node] for node in read.skins[0].joints]) @ inverse
    points = np.c_[accessor(read, attributes.POSITION), np.ones(body().vertex_count)]
    weights, owners = accessor(read, attributes.WEIGHTS_0), accessor(read, attributes.JOINTS_0)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    skin = np.einsum("vk,vkij,vj->vi", weights, matrices[owners], points)[:, :3]
    error_m = np.linalg.norm(skin - vertices_of(betas, poses[[frame]], transl[[frame]])[0] @ Y_UP.T, axis=1)
    assert error_m.mean() < 0.002 and error_m.max() < 0.03  # pose blend shapes and the weakest influences are left out
    normals = accessor(read, attributes.NORMAL)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def accessor(read, index: int) -> np.ndarray:
    found = read.accessors[index]
    view = read.bufferViews[found.bufferView]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[found.type]
    kind = {5126: np.float32, 5121: np.uint8, 5125: np.uint32}[found.componentType]
    start = (view.byteOffset or 0) + (found.byteOffset or 0)
    data = read.binary_blob()[start : start + found.count * width * np.dtype(kind).itemsize]
    return np.frombuffer(data, kind).reshape(found.count, width)


def channels_at(read, frame: int) -> dict:
    (animation,) = read.animations
    values = {}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        times = accessor(read, sampler.input)[:, 0]
        assert times[frame] == pytest.approx(frame / 30, abs=1e-6)
        values[channel.target.node, channel.target.path] = accessor(read, sampler.output)[frame]
    assert len(values) == 25  # every joint's rotation, and the pelvis' place
    return values


def test_a_shape_of_another_body_is_no_mesh_of_this_one(tmp_path):
    from dataclasses import replace

    (motion,) = motions_of([replace(each, body_model="SMPL_NEUTRAL") for each in sightings()])
    with pytest.raises(InputError, match="belongs to the body 'SMPL_NEUTRAL'.*--body"):
        write_motion(motion, tmp_path, ["glb"])
    assert not list(tmp_path.iterdir())
    assert len(write_motion(motion, tmp_path, ["npz", "bvh", "trc"])) == 3  # these need no mesh


def test_a_mesh_is_of_the_packages_body_that_the_people_name(tmp_path):
    from dataclasses import replace

    (motion,) = motions_of([replace(each, body_model="anny") for each in sightings()])
    sizes = [
        write_motion(each, tmp_path, ["glb"])[0].stat().st_size for each in (motion, replace(motion, body_model="refit_ros"))
    ]
    assert sizes[0] > 1.5 * sizes[1]  # 6,478 vertices and 2,745


def test_angles_do_not_jump_by_a_whole_turn():
    """Somebody who turns round twice: between two frames no channel changes by more than the turn itself."""
    from dataclasses import replace

    from refit_ros.motion.bvh import bvh_text

    seen = sightings(40)
    start = Rotation.from_rotvec(seen[0].global_orient)
    turned = [
        replace(each, global_orient=(Rotation.from_euler("z", 0.3 * index) * start).as_rotvec())
        for index, each in enumerate(seen)
    ]
    (motion,) = motions_of(turned)
    rows = bvh_text(motion).split("Frame Time")[1].splitlines()[1:]
    angles = np.array([[float(word) for word in row.split()] for row in rows])[:, 3:]
    assert np.abs(np.diff(angles, axis=0)).max() < 90

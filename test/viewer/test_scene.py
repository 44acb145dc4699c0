"""What is to be seen follows from the messages: without ROS, without a browser."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from motion_truth import COVARIANCE, body, joints_of, moving, people_message, person, vertices_of
from node_fakes import small_body
from scipy.spatial.transform import Rotation

pytest.importorskip("rosbags", reason="rosbags is not installed")

from refit_ros.core.body_files import read_body  # noqa: E402
from refit_ros.estimation.palette import rgb8_of  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.viewer.scene import Scene, ellipsoid  # noqa: E402
from refit_ros.viewer.skin import Skin  # noqa: E402

LEFT_IN_MAP = np.array([[0.0, 0, 1, 2], [-1, 0, 0, 3], [0, -1, 0, 1.5], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def types():
    return BagTypes(make_store())


@pytest.fixture
def scene():
    places = {("map", "left_optical"): LEFT_IN_MAP}
    return Scene(lambda target, source: places.get((target, source)), Skin(body().arrays))


def info(focal_px: float = 500.0, frame_id: str = "left_optical"):
    header = SimpleNamespace(frame_id=frame_id)
    return SimpleNamespace(header=header, width=640, height=480, k=[focal_px, 0, 320, 0, focal_px, 240, 0, 0, 1])


def diagnostics(name: str, state: str, level, text: str, rate: str):
    values = [SimpleNamespace(key="state", value=state), SimpleNamespace(key="images per second", value=rate)]
    pipeline = SimpleNamespace(name="/refit: pipeline", message="", level=b"\0", values=[])
    return SimpleNamespace(
        status=[pipeline, SimpleNamespace(name=f"/refit: camera {name}", message=text, level=level, values=values)]
    )


def test_the_skin_is_the_bodys():
    betas, poses, transl = moving()
    skin = Skin(body().arrays)
    np.testing.assert_allclose(skin.vertices(betas, poses[5], transl[5]), vertices_of(betas, poses, transl)[5], atol=1e-5)
    height_m = body().height_m(torch.tensor(betas[None], dtype=torch.float32)).item()
    assert skin.height_m(betas) == pytest.approx(height_m, abs=1e-5)


def test_the_skin_bends_as_the_body_does():
    """A body with pose blend shapes, and two people in turn, whose shapes must not be exchanged."""
    other, rng = small_body(), np.random.default_rng(2)
    skin = Skin(other.arrays)
    for betas in (rng.normal(0, 1, 10), rng.normal(0, 1, 10), np.zeros(10)):
        pose, transl = rng.normal(0, 0.5, (24, 3)), rng.normal(0, 1, 3)
        rotmats = Rotation.from_rotvec(pose).as_matrix()
        tensors = (torch.tensor(np.array(each)[None], dtype=torch.float32) for each in (betas, rotmats, transl))
        np.testing.assert_allclose(skin.vertices(betas, pose, transl), other.vertices(*tensors)[0].numpy(), atol=1e-5)


def test_a_person_as_it_is_shown(types, scene):
    seen = scene.take_people(people_message(types, [person(3), person(3, 9)], 3), 10.0)
    state = scene.state(10.1)
    assert [each.id for each in seen] == [each.id for each in state.people] == [4, 9]
    shown = state.people[0]
    assert shown.color == rgb8_of(4) and shown.label == "4 (80 %)" and shown.cameras == ("left",)
    assert shown.speed_mps == pytest.approx(1.0) and state.frame_id == "map"
    betas, poses, transl = moving()
    np.testing.assert_allclose(shown.joints, joints_of(betas, poses, transl)[3], atol=1e-6)
    np.testing.assert_allclose(shown.vertices, vertices_of(betas, poses, transl)[3], atol=1e-5)
    left_elbow = shown.joint_axes[18].T @ (shown.joints[20] - shown.joints[18])  # its wrist in its own frame: as at rest
    rest = body().rest_joints(torch.tensor(betas[None], dtype=torch.float32))[0].numpy()
    np.testing.assert_allclose(left_elbow, rest[20] - rest[18], atol=1e-5)
    assert shown.height_m == pytest.approx(np.ptp(body().v_template.numpy()[:, 1]), abs=0.3)
    again = shown.axes @ np.diag((shown.radii_m / 2) ** 2) @ shown.axes.T
    np.testing.assert_allclose(again, COVARIANCE, atol=1e-6)
    assert np.linalg.det(shown.axes) == pytest.approx(1)


def test_in_a_cameras_own_frame_people_stand_upright(types, scene):
    scene.take_people(people_message(types, [person(0)], frame_id="left_optical"), 0.0)
    scene.take_camera_info("left", info())
    state = scene.state(0.0)
    x, y, z = joints_of(*moving())[0].T  # right, down, forward
    np.testing.assert_allclose(state.people[0].joints, np.stack([z, -x, -y], axis=-1), atol=1e-6)
    np.testing.assert_allclose(state.people[0].vertices.mean(axis=0), state.people[0].joints.mean(axis=0), atol=0.3)
    (camera,) = state.cameras
    np.testing.assert_allclose(camera.world_from_camera[:3, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-9)  # it looks ahead
    assert not scene.needs_transforms()


def test_who_is_out_of_sight_for_a_moment_stays_upright(types, scene):
    """Without views, by which a camera's own frame is told: the whole scene would lie down for a moment."""
    scene.take_people(people_message(types, [person(0)], frame_id="left_optical"), 0.0)
    seen = scene.state(0.0).people[0].joints
    scene.take_people(people_message(types, [replace(person(0), views=())], frame_id="left_optical"), 0.1)
    np.testing.assert_array_equal(scene.state(0.1).people[0].joints, seen)


def test_another_body_is_shown_without_a_mesh_and_said(types, scene):
    scene.take_people(people_message(types, [person(0)], body_model="SMPL_NEUTRAL"), 0.0)
    state = scene.state(0.0)
    assert state.people[0].vertices is None and state.people[0].height_m is None
    assert any("'SMPL_NEUTRAL'" in note and "--body" in note for note in state.notes)


def test_the_packages_other_body_is_shown_with_its_own_mesh(types, scene):
    scene.take_people(people_message(types, [person(0)], body_model="anny"), 0.0)
    state = scene.state(0.0)
    anny = read_body("anny")
    assert state.people[0].vertices.shape == anny.v_template.shape and not state.notes
    np.testing.assert_array_equal(state.people[0].faces, anny.faces)


def test_numbers_that_are_none_are_not_shown(types, scene):
    message = people_message(types, [person(0), person(0, 9)])
    message.people[0].transl.x = float("nan")
    assert [each.id for each in scene.take_people(message, 0.0)] == [9]
    assert [each.id for each in scene.state(0.0).people] == [9]


def test_a_camera_stands_where_its_transform_says(types, scene):
    scene.take_people(people_message(types, [person(0)]), 0.0)
    assert scene.cameras == ("left",) and scene.needs_transforms()
    assert not scene.lacks_places()
    assert scene.state(0.0).cameras[0].world_from_camera is None  # no calibration yet
    scene.take_camera_info("left", info())
    (camera,) = scene.state(0.0).cameras
    np.testing.assert_array_equal(camera.world_from_camera, LEFT_IN_MAP)
    assert camera.field_of_view_rad == pytest.approx(2 * np.arctan(240 / 500)) and camera.aspect == pytest.approx(4 / 3)
    scene.take_camera_info("right", info(frame_id="right_optical"))
    assert [each.world_from_camera is None for each in scene.state(0.0).cameras] == [False, True] and scene.lacks_places()
    scene.take_camera_info("left", info(focal_px=float("nan")))  # changes nothing
    np.testing.assert_array_equal(scene.state(0.0).cameras[0].world_from_camera, LEFT_IN_MAP)


def test_what_the_node_says_of_its_cameras(scene):
    scene.take_diagnostics(diagnostics("left", "live", b"\0", "29.9 images/s", "29.90"), 1.0)
    scene.take_diagnostics(diagnostics("left", "silent", b"\2", "silent for 3.0 s", "0.00"), 2.0)
    (camera,) = scene.state(2.0).cameras
    assert (camera.name, camera.state, camera.level) == ("left", "silent", 2)
    assert "left: silent for 3.0 s" in scene.state(2.0).notes
    np.testing.assert_allclose(scene.plots(2.0).rates["left"], [[-1, 29.9], [0, 0]])
    np.testing.assert_allclose(scene.plots(2.0).levels["left"], [[-1, 0], [0, 2]])


def test_latency_of_the_last_minute(types, scene):
    for now_s in (0.0, 50.0, 100.0):
        scene.take_people(people_message(types, [person(0)]), now_s)
    np.testing.assert_allclose(scene.plots(100.0).latency, [[-50, 42], [0, 42]])


def test_nobody_stays_when_nothing_comes(types, scene):
    assert "Nobody has published people yet" in scene.state(0.0).notes[0]
    scene.take_people(people_message(types, [person(0)]), 10.0)
    before = scene.state(12.9)
    assert len(before.people) == 1 and scene.state(12.9).number == before.number and not before.notes
    after = scene.state(13.1)
    assert after.people == () and after.number != before.number
    assert "Nothing has come for more than 3 s" in after.notes[0]  # else a node that has died looks well


def test_a_message_without_people_is_no_silence(types, scene):
    scene.take_people(people_message(types, []), 10.0)
    assert not scene.state(12.9).notes


def test_images_change_their_number(scene):
    image = np.zeros((4, 6, 3), np.uint8)
    scene.take_image("left", image)
    first = scene.state(0.0).cameras[0]
    assert first.image is image
    scene.take_image("left", None)
    assert scene.state(0.0).cameras[0].image is None and scene.state(0.0).cameras[0].image_number != first.image_number


def test_an_ellipsoid_of_nonsense_is_small():
    radii_m, axes = ellipsoid(np.full((3, 3), np.nan))
    assert radii_m.max() < 0.01 and np.array_equal(axes, np.eye(3))
    radii_m, axes = ellipsoid(np.zeros((3, 3)))
    assert (radii_m > 0).all() and np.linalg.det(axes) == pytest.approx(1)

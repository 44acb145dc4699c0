"""What the node publishes, over real DDS topics, with a fake model in place of the network."""
from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import smplx
import torch
from node_fakes import fake_model, image_message, stamp_of
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_NAMES, PARENTS

STAMP_NS = 1_700_000_000_123_456_789


def duration_ns(duration) -> int:
    return duration.sec * 10**9 + duration.nanosec


def test_one_camera_to_smpl(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(people=2))
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    message = bench.wait(lambda: messages, "a message")[0]
    assert message.header.stamp == stamp_of(STAMP_NS)
    assert message.header.frame_id == "camera_optical"
    assert list(message.cameras) == ["camera"]
    assert duration_ns(message.sync_spread) == 0
    assert duration_ns(message.latency) > 0
    assert [person.id for person in message.people] == [1, 2]
    for person, expected in zip(message.people, bench.model.estimator.people):
        np.testing.assert_allclose(person.betas, expected.betas, atol=1e-6)
        np.testing.assert_allclose(person.global_orient, expected.global_orient, atol=1e-6)
        np.testing.assert_allclose(person.body_pose, expected.body_pose.reshape(-1), atol=1e-6)
        np.testing.assert_allclose([(p.x, p.y, p.z) for p in person.joints], expected.joints, atol=1e-9)
        assert person.body_model == "small" and len(person.joint_in_image) == 24
        view = person.views[0]
        assert (view.camera, view.frame_id) == ("camera", "camera_optical")
        assert (view.box.x_offset, view.box.y_offset, view.box.width, view.box.height) == (10, 20, 40, 28)  # cut at 48 px


def test_messages_feed_smplx_unchanged(bench, tmp_path):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(vertices=6890))   # smplx picks some vertices by their number
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    person = bench.wait(lambda: messages, "a message")[0].people[0]
    body, expected = bench.model.body, bench.model.estimator.people[0]
    layer = smplx.SMPL(_smpl_file(body, tmp_path), batch_size=1)
    transl = [person.transl.x, person.transl.y, person.transl.z]
    result = layer(betas=torch.tensor(person.betas[None]), global_orient=torch.tensor(person.global_orient[None]),
                   body_pose=torch.tensor(person.body_pose[None]), transl=torch.tensor([transl], dtype=torch.float32))
    np.testing.assert_allclose(result.joints[0, :24].detach(), expected.joints, atol=1e-5)
    np.testing.assert_allclose([(p.x, p.y, p.z) for p in person.joints], result.joints[0, :24].detach(), atol=1e-5)


def _smpl_file(body, folder) -> str:
    """The body as an SMPL pickle, the form that smplx reads."""
    import pickle
    arrays = body.arrays
    kintree = np.array([[2**32 - 1, *(int(p) for p in PARENTS[1:])], range(24)], dtype=np.int64)
    content = {"v_template": arrays.v_template, "f": arrays.faces, "shapedirs": arrays.shapedirs, "posedirs": arrays.posedirs,
               "J_regressor": arrays.J_regressor, "weights": arrays.weights, "kintree_table": kintree}
    path = folder / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(content))
    return str(path)


@pytest.mark.parametrize("seed", range(3))
def test_a_person_in_the_fixed_frame_is_the_person_in_the_camera_carried_over_by_tf(bench, seed):
    """Vertices from the message's parameters equal the camera's vertices carried by TF; TF's joints equal the message's."""
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage
    rng = np.random.default_rng(seed)
    messages, tf = bench.listen(SmplArray, "/human/smpl"), bench.listen(TFMessage, "/tf")
    bench.start(fake_model(), fixed_frame="map")
    bench.connected("/human/smpl", "/tf")
    fixed_from_camera = np.eye(4)
    fixed_from_camera[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    fixed_from_camera[:3, 3] = rng.uniform(-5, 5, 3)
    bench.stand("camera_optical", fixed_from_camera, "map")
    bench.camera(STAMP_NS)
    message = bench.wait(lambda: messages, "a message")[0]
    transforms = bench.wait(lambda: [t for each in tf for t in each.transforms], "transforms")
    assert message.header.frame_id == "map"
    body, in_camera = bench.model.body, bench.model.estimator.people[0]
    camera_vertices = vertices(body, in_camera.betas, in_camera.global_orient, in_camera.body_pose, in_camera.transl)
    person = message.people[0]
    place = [person.transl.x, person.transl.y, person.transl.z]
    fixed_vertices = vertices(body, person.betas, person.global_orient, person.body_pose.reshape(23, 3), place)
    carried = camera_vertices @ fixed_from_camera[:3, :3].T + fixed_from_camera[:3, 3]
    np.testing.assert_allclose(fixed_vertices, carried, atol=1e-5)
    assert {t.header.stamp.nanosec for t in transforms} == {message.header.stamp.nanosec}
    places = chained(transforms, "map")
    for joint, name in enumerate(JOINT_NAMES):
        point = message.people[0].joints[joint]
        np.testing.assert_allclose(places[f"human_1/{name}"][:3, 3], (point.x, point.y, point.z), atol=1e-6)
        np.testing.assert_allclose(places[f"human_1/{name}"][:3, :3],
                                   fixed_from_camera[:3, :3] @ in_camera.joint_rotmats[joint], atol=1e-6)


def vertices(body, betas, orient, pose, transl) -> np.ndarray:
    rotmats = Rotation.from_rotvec(np.concatenate([np.asarray(orient, float)[None], np.asarray(pose, float)])).as_matrix()
    tensors = (torch.tensor(np.asarray(value)[None], dtype=torch.float32) for value in (betas, rotmats, transl))
    return body.vertices(*tensors)[0].double().numpy()


def chained(transforms, root: str) -> dict[str, np.ndarray]:
    """Each child frame in the root's, following the messages' own parents."""
    from refit_ros.node.frames import matrix
    local = {t.child_frame_id: (t.header.frame_id, matrix(
        (t.transform.translation.x, t.transform.translation.y, t.transform.translation.z),
        (t.transform.rotation.x, t.transform.rotation.y, t.transform.rotation.z, t.transform.rotation.w))) for t in transforms}

    def place(frame: str) -> np.ndarray:
        if frame == root:
            return np.eye(4)
        parent, step = local[frame]
        return place(parent) @ step
    return {frame: place(frame) for frame in local}


def test_several_cameras_give_one_message_for_a_set(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map")
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    bench.camera(STAMP_NS, "left")    # goes alone: nothing is known of the other camera yet
    bench.wait(lambda: messages, "the first message")
    bench.camera(STAMP_NS + 40_000_000, "right")
    bench.wait(lambda: len(messages) == 2, "the second message")
    bench.camera(STAMP_NS + 100_000_000, "left")
    bench.camera(STAMP_NS + 107_000_000, "right")
    message = bench.wait(lambda: messages[2:], "a message for the set")[0]
    assert list(message.cameras) == ["left", "right"]
    assert message.header.stamp == stamp_of(STAMP_NS + 100_000_000)
    assert duration_ns(message.sync_spread) == 7_000_000
    assert [view.frame_id for view in message.people[0].views] == ["left_optical", "right_optical"]


def test_a_view_without_extrinsics_is_left_out_and_counted(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", sync_slop_s=0.1)
    bench.connected("/human/smpl")
    bench.stand("left_optical", np.eye(4), "map")
    for camera in ("left", "right"):
        bench.camera(STAMP_NS, camera)
    bench.wait(lambda: messages, "a message")
    bench.camera(STAMP_NS + 100_000_000, "left")
    bench.camera(STAMP_NS + 100_000_000, "right")
    bench.wait(lambda: messages[-1].header.stamp == stamp_of(STAMP_NS + 100_000_000), "the set's message")
    assert list(messages[-1].cameras) == ["left"]
    assert len(messages[-1].people) == 1
    assert bench.node._rejections.of("right")["no extrinsics"] >= 1


def test_nobody_seen_is_said(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(people=0))
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    assert not bench.wait(lambda: messages, "a message")[0].people


def test_nothing_that_is_not_a_number_leaves(bench):
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage
    messages, tf = bench.listen(SmplArray, "/human/smpl"), bench.listen(TFMessage, "/tf")
    model = fake_model(people=3)
    one, two, three = model.estimator.people
    model.estimator.people = (replace(one, joints=np.full((24, 3), np.nan)), two, replace(three, confidence=float("inf")))
    bench.start(model)
    bench.connected("/human/smpl", "/tf")
    bench.camera(STAMP_NS)
    assert [person.id for person in bench.wait(lambda: messages, "a message")[0].people] == [2]
    assert bench.wait(lambda: tf, "transforms") and all("human_2/" in t.child_frame_id for t in tf[0].transforms)
    assert bench.node._tally.nonfinite_dropped == 2


def test_the_latest_set_wins_and_what_it_replaced_is_counted(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    gate = threading.Event()
    bench.start(fake_model(gate=gate))
    bench.connected("/human/smpl")
    for index in range(6):
        bench.camera(STAMP_NS + index * 100_000_000)
        bench.wait(lambda index=index: bench.node._intake.pictures["camera"] == index + 1, "the picture to arrive")
        if index == 0:
            bench.wait(lambda: bench.node._worker.mailbox._item is None, "the first set to be taken")
    gate.set()
    bench.wait(lambda: len(messages) == 2, "two messages")
    assert messages[0].header.stamp == stamp_of(STAMP_NS)
    assert messages[1].header.stamp == stamp_of(STAMP_NS + 500_000_000)
    assert bench.node._worker.mailbox.dropped == 4


def test_overlay_only_while_somebody_looks(bench, monkeypatch):
    from sensor_msgs.msg import Image
    drawn = []
    overlay = ModuleType("refit_ros.people.overlay")
    overlay.draw_overlay = lambda image, *_: drawn.append(1) or (image // 2)
    monkeypatch.setitem(sys.modules, "refit_ros.people.overlay", overlay)
    bench.start(fake_model())
    bench.camera(STAMP_NS)
    bench.wait(lambda: bench.node._tally.sets == 1, "the first set")
    assert not drawn
    pictures = bench.listen(Image, "/human/camera/overlay")
    bench.connected("/human/camera/overlay")
    bench.camera(STAMP_NS + 100_000_000)
    picture = bench.wait(lambda: pictures, "a picture")[0]
    assert picture.header.stamp == stamp_of(STAMP_NS + 100_000_000) and picture.header.frame_id == "camera_optical"
    assert (picture.width, picture.height, picture.step, picture.encoding) == (64, 48, 192, "rgb8")
    assert bytes(picture.data) == bytes([50]) * 192 * 48


def test_markers_show_everybody_and_take_down_who_is_gone(bench):
    from visualization_msgs.msg import Marker, MarkerArray
    arrays = bench.listen(MarkerArray, "/human/markers")
    model = fake_model(people=2)
    bench.start(model, publish_mesh=True)
    bench.connected("/human/markers")
    bench.camera(STAMP_NS)
    shown = bench.wait(lambda: arrays, "markers")[0].markers
    assert {(m.ns, m.id) for m in shown} == {(ns, number) for ns in ("skeleton", "label", "mesh") for number in (1, 2)}
    assert {m.header.frame_id for m in shown} == {"camera_optical"}
    assert all(m.header.stamp == stamp_of(STAMP_NS) and m.action == Marker.ADD for m in shown)
    mesh = next(m for m in shown if (m.ns, m.id) == ("mesh", 2))
    person = model.estimator.people[1]
    expected = vertices(model.body, person.betas, person.global_orient, person.body_pose, person.transl)[model.body.faces]
    np.testing.assert_allclose([(p.x, p.y, p.z) for p in mesh.points], expected.reshape(-1, 3), atol=1e-6)
    model.estimator.people = model.estimator.people[:1]
    bench.camera(STAMP_NS + 100_000_000)
    later = bench.wait(lambda: arrays[1:], "more markers")[0].markers
    assert {(m.ns, m.id) for m in later if m.action == Marker.DELETE} == {("skeleton", 2), ("label", 2), ("mesh", 2)}
    assert {(m.ns, m.id) for m in later if m.action == Marker.ADD} == {("skeleton", 1), ("label", 1), ("mesh", 1)}


def test_boxes_come_from_a_topic(bench):
    from refit_ros.node.cameras import detection_type
    from refit_ros.msg import SmplArray
    if detection_type().__name__ != "PolygonStamped":
        pytest.skip("vision_msgs is installed: its message is used instead")
    from geometry_msgs.msg import Point32, PolygonStamped
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), detector="topic", detection_wait_s=5.0)
    bench.connected("/human/smpl")
    boxes = PolygonStamped()
    boxes.header.stamp = stamp_of(STAMP_NS)
    boxes.polygon.points = [Point32(x=1.0, y=2.0, z=0.75), Point32(x=30.0, y=40.0)]
    bench.camera(STAMP_NS)
    bench.publish("/camera/detections", boxes)
    bench.wait(lambda: messages, "a message")
    found = bench.model.estimator.seen[0][0].boxes
    np.testing.assert_allclose(found.xyxy_px, [[1, 2, 30, 40]])
    np.testing.assert_allclose(found.confidence, [0.75])


def test_compressed_pictures(bench):
    import cv2
    from node_fakes import info_message
    from refit_ros.msg import SmplArray
    from sensor_msgs.msg import CompressedImage
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), image_transport="compressed")
    bench.connected("/human/smpl")
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[..., 2] = 200   # OpenCV's red
    message = CompressedImage(format="png", data=cv2.imencode(".png", picture)[1].tobytes())
    message.header.stamp, message.header.frame_id = stamp_of(STAMP_NS), "camera_optical"
    bench.publish("/camera/camera_info", info_message(STAMP_NS))
    bench.publish("/camera/image_raw/compressed", message)
    bench.wait(lambda: messages, "a message")
    seen = bench.model.estimator.seen[0][0].image
    assert seen.shape == (48, 64, 3) and (seen == [200, 0, 0]).all()


def test_a_camera_is_lost_and_comes_back(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", camera_timeout_s=0.3, sync_deadline_s=0.1)
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    tick = 0

    def both(alive: tuple[str, ...], until: list[str]) -> None:
        """Picture after picture until a message is about these cameras."""
        nonlocal tick
        messages.clear()
        for _ in range(100):
            tick += 1
            for camera in alive:
                bench.camera(STAMP_NS + tick * 50_000_000, camera)
            time.sleep(0.05)
            if messages and list(messages[-1].cameras) == until:
                return
        pytest.fail(f"never a message about {until}: {[list(m.cameras) for m in messages]}")
    both(("left", "right"), ["left", "right"])
    both(("left",), ["left"])
    bench.wait(lambda: bench.node._intake.builder.state("right", time.monotonic()) == "silent", "right to be given up")
    both(("left", "right"), ["left", "right"])


def test_an_incomplete_set_goes_on_by_itself_at_the_deadline(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", camera_timeout_s=30.0, sync_deadline_s=0.2)
    bench.connected("/human/smpl")
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
        bench.camera(STAMP_NS, camera)
    bench.wait(lambda: messages, "the first message")
    bench.camera(STAMP_NS + 10**9, "left")   # and nothing else: only the timer can send it on
    bench.wait(lambda: messages[-1].header.stamp == stamp_of(STAMP_NS + 10**9), "the incomplete set")
    assert list(messages[-1].cameras) == ["left"]


def test_services(bench):
    from refit_ros.msg import SmplArray
    from refit_ros.srv import SetShape
    from std_srvs.srv import Trigger
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    bench.wait(lambda: messages, "a message")
    betas = np.linspace(-1, 1, 10).astype(np.float32)
    estimator = bench.model.estimator

    def ask(**fields):
        return bench.call(SetShape, "/refit/set_shape", SetShape.Request(**fields))
    assert ask(id=1, betas=betas).success
    np.testing.assert_allclose(estimator.shapes[1], betas)
    assert ask(id=-1, release=True).success and estimator.shapes[-1] is None
    unknown = ask(id=77, betas=betas)
    assert not unknown.success and "77" in unknown.message
    for nonsense in (float("nan"), float("inf"), 1e6):
        assert not ask(id=1, betas=np.full(10, nonsense, np.float32)).success
    assert bench.call(Trigger, "/refit/reset", Trigger.Request()).success and estimator.resets == 1


def test_diagnostics_once_a_second_with_simulated_time_and_no_clock(bench):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.start(fake_model(), cameras=["left", "right"], fixed_frame="map", use_sim_time=True)
    for camera in ("left", "right"):
        bench.stand(f"{camera}_optical", np.eye(4), "map")
    bench.camera(STAMP_NS, "left")
    bench.publish("/left/image_raw", image_message(STAMP_NS + 50_000_000, encoding="rgb9"))
    found = bench.wait(lambda: [a for a in arrays if a.header.stamp == stamp_of(STAMP_NS)], "a diagnosis of the set")[-1]
    status = {each.name: each for each in found.status}
    assert set(status) == {"/refit: pipeline", "/refit: camera left", "/refit: camera right"}
    values = {pair.key: pair.value for pair in status["/refit: pipeline"].values}
    assert values["sets computed"] == "1" and values["device"] == "cpu" and values["weights"] == "fake" and values["iterations"] == "5"
    assert status["/refit: camera right"].level == DiagnosticStatus.WARN
    left = bench.wait(lambda: [pair.value for a in arrays for each in a.status if each.name == "/refit: camera left"
                               for pair in each.values if pair.key == "rejected: unknown encoding"], "the rejection")
    assert left[-1] == "1"


def test_a_clock_set_back_makes_it_forget_everybody_once(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    for stamp_ns in (STAMP_NS, STAMP_NS - 10**11, STAMP_NS - 10**11 + 10**8):
        count = len(messages)
        bench.camera(stamp_ns)
        bench.wait(lambda count=count: len(messages) > count, "a message")
    assert bench.model.estimator.resets == 1
    assert messages[-1].header.stamp == stamp_of(STAMP_NS - 10**11 + 10**8)


def test_what_the_weights_mean_is_said_once(bench, capfd):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    for tick in range(3):
        bench.camera(STAMP_NS + tick * 10**8)
        bench.wait(lambda tick=tick: len(messages) > tick, "a message")
    assert capfd.readouterr().err.count("these numbers mean nothing") == 1


def test_topics_lie_in_the_nodes_namespace(bench):
    from refit_ros.msg import SmplArray
    messages = bench.listen(SmplArray, "/robot/human/smpl")
    bench.start(fake_model(), arguments=("-r", "__ns:=/robot"), cameras=["front"])
    bench.connected("/robot/human/smpl")
    bench.camera(STAMP_NS, "robot/front", frame_id="front_optical")
    assert bench.wait(lambda: messages, "a message")[0].header.frame_id == "front_optical"

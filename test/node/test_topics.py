"""What the node publishes, over real DDS topics, with a fake model in place of the network."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
from node_fakes import fake_model, image_message, stamp_of, vertices
from scipy.spatial.transform import Rotation

from refit_ros.estimation.root import LONGEST_PREDICTION_S

STAMP_NS = 1_700_000_000_123_456_789


def duration_ns(duration) -> int:
    return duration.sec * 10**9 + duration.nanosec


def test_one_camera_to_smpl(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    model = fake_model(people=2)
    model.estimator.people = tuple(
        replace(person, root_covariance=np.diag([0.01, 0.02, 0.3]), root_velocity=np.array([0.5, -1.0, 0.1]))
        for person in model.estimator.people
    )
    bench.start(model)
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
        root = person.root.pose
        np.testing.assert_allclose([root.position.x, root.position.y, root.position.z], expected.joints[0], atol=1e-9)
        turn = Rotation.from_quat([getattr(root.orientation, axis) for axis in "xyzw"])
        np.testing.assert_allclose(turn.as_matrix(), expected.joint_rotmats[0], atol=1e-6)
        covariance = np.array(person.root.covariance).reshape(6, 6)
        np.testing.assert_allclose(covariance[:3, :3], expected.root_covariance)
        assert (np.diag(covariance)[3:] > 0).all() and not covariance[:3, 3:].any()
        velocity = person.root_velocity
        np.testing.assert_allclose([velocity.x, velocity.y, velocity.z], expected.root_velocity)
        view = person.views[0]
        assert (view.camera, view.frame_id) == ("camera", "camera_optical")
        assert (view.box.x_offset, view.box.y_offset, view.box.width, view.box.height) == (10, 20, 40, 28)  # cut at 48 px


def test_people_are_published_where_they_will_be_where_that_is_wished(bench):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    model = replace(fake_model(), predict_to_now=True)
    (person,) = model.estimator.people = (replace(model.estimator.people[0], root_velocity=np.array([2.0, 0.0, 0.0])),)
    bench.start(model)
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS)
    message = bench.wait(lambda: messages, "a message")[0]
    assert message.header.stamp == stamp_of(STAMP_NS)
    ahead_s = min(duration_ns(message.latency) * 1e-9, LONGEST_PREDICTION_S)
    np.testing.assert_allclose(message.people[0].joints[0].x, person.joints[0, 0] + 2.0 * ahead_s, atol=1e-6)


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


def test_overlay_only_while_somebody_looks(bench, monkeypatch):
    from sensor_msgs.msg import Image

    drawn = []
    overlay = ModuleType("refit_ros.estimation.overlay")
    overlay.draw_overlay = lambda image, *_: drawn.append(1) or (image // 2)
    monkeypatch.setitem(sys.modules, "refit_ros.estimation.overlay", overlay)
    bench.start(fake_model())
    bench.camera(STAMP_NS)
    bench.wait(lambda: bench.node._tally.sets == 1, "the first set")
    assert not drawn
    images = bench.listen(Image, "/human/camera/overlay")
    bench.connected("/human/camera/overlay")
    bench.camera(STAMP_NS + 100_000_000)
    overlay = bench.wait(lambda: images, "a overlay")[0]
    assert overlay.header.stamp == stamp_of(STAMP_NS + 100_000_000) and overlay.header.frame_id == "camera_optical"
    assert (overlay.width, overlay.height, overlay.step, overlay.encoding) == (64, 48, 192, "rgb8")
    assert bytes(overlay.data) == bytes([50]) * 192 * 48


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
    assert (
        values["sets computed"] == "1"
        and values["device"] == "cpu"
        and values["weights"] == "fake"
        and values["iterations"] == "5"
    )
    assert status["/refit: camera right"].level == DiagnosticStatus.WARN
    left = bench.wait(
        lambda: [
            pair.value
            for a in arrays
            for each in a.status
            if each.name == "/refit: camera left"
            for pair in each.values
            if pair.key == "rejected: unknown encoding"
        ],
        "the rejection",
    )
    assert left[-1] == "1"


def test_what_the_weights_mean_is_said_once(bench, capfd):
    from refit_ros.msg import SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model())
    bench.connected("/human/smpl")
    for tick in range(3):
        bench.camera(STAMP_NS + tick * 10**8)
        bench.wait(lambda tick=tick: len(messages) > tick, "a message")
    assert capfd.readouterr().err.count("these numbers mean nothing") == 1

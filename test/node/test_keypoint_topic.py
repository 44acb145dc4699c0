"""Keypoints that others find: from a topic to the people they are of, and what is said where they do not fit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from node_fakes import fake_model, stamp_of

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.camera.views import View
from refit_ros.core.landmarks import LAYOUTS, layout_indices
from refit_ros.estimation.keypoint_choice import keypoint_estimators
from refit_ros.estimation.settings import Settings
from refit_ros.node import conversions
from refit_ros.node.rejections import Rejected

STAMP_NS = 5_000_000_000


def message(layout="coco", points=()):
    return SimpleNamespace(layout=layout, points=np.array(points, np.float32))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_message_holds_people_one_after_another(layout):
    count = len(LAYOUTS[layout])
    rows = np.arange(2 * count * 3, dtype=np.float32).reshape(2, count, 3)
    rows[..., 2] = 0.5
    found = conversions.keypoints(message(layout, rows.ravel()))
    np.testing.assert_array_equal(found.place_px, rows[..., :2])
    assert found.score.shape == (2, count) and (found.score == 0.5).all()
    assert conversions.keypoints(message(layout)).place_px.shape == (0, count, 2)


@pytest.mark.parametrize(
    "layout, numbers, says",
    [
        ("openpose", 75, "keypoint layout 'openpose' is unknown; there are blazepose, coco, halpe"),
        ("", 51, "keypoint layout '' is unknown"),
        ("coco", 34, r"34 numbers came, 51 for each person were expected \(17 points of layout 'coco'"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_came(layout, numbers, says):
    with pytest.raises(Rejected, match=says) as caught:
        conversions.keypoints(message(layout, np.zeros(numbers)))
    assert caught.value.reason == "bad keypoints"


def test_points_that_are_no_numbers_are_not_seen_and_nobody_has_no_box():
    place, score = np.full((2, 17, 2), np.nan), np.full((2, 17), 2.0)
    place[0, :9] = np.arange(18).reshape(9, 2)
    found = GivenKeypoints(place, score, "coco")
    assert np.isfinite(found.place_px).all() and found.score[0].tolist() == [1.0] * 9 + [0.0] * 8
    assert found.boxes.xyxy_px.tolist() == [[0, 1, 16, 17]] and found.person.tolist() == [1.0, 0.0]
    assert len(GivenKeypoints(np.zeros((0, 26, 2)), np.zeros((0, 26)), "halpe").boxes.xyxy_px) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_people_are_where_their_keypoints_say(layout):
    network, (estimator,) = keypoint_estimators(
        [Settings(evidence="keypoints", keypoint_source="topic", smoothing=0.0)], None, None, "cpu"
    )
    upright = torch.eye(3).expand(1, 24, 3, 3).clone()
    landmarks, joints = (each[0].double().numpy() for each in network.landmark_body(torch.zeros(1, 10), upright))
    from_body = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # z up, and the body looks along x
    people_m = [(landmarks - joints[0]) @ from_body.T + place for place in ([0.0, 0.4, 0.95], [0.3, -0.6, 0.95])]
    views = []
    for index, bearing in enumerate((-0.5, 0.7)):
        K = np.array([[700.0, 0, 320], [0, 700, 240], [0, 0, 1]])
        towards = -np.array([np.cos(bearing), np.sin(bearing), 0.0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([np.cross([0, 0, -1.0], towards), [0, 0, -1.0], towards], axis=1)
        pose[:3, 3] = -4.5 * towards + [0, 0, 1.0]
        lens = Calibration(f"camera{index}", f"camera{index}", 640, 480, K)
        seen = [(person - pose[:3, 3]) @ pose[:3, :3] for person in people_m]
        px = np.stack([lens.project(each[layout_indices(layout)]) for each in seen])
        given = GivenKeypoints(px, np.full(px.shape[:2], 0.95), layout)
        views.append((np.zeros((480, 640, 3), np.uint8), lens, pose, given))
    for stamp_s in (0.0, 0.1, 0.2):
        found = estimator.estimate([View(image, lens, stamp_s, pose, None, given) for image, lens, pose, given in views])
    assert len(found.people) == 2 and not found.left_out
    for person_m in people_m:
        middle_m = person_m[layout_indices("coco")[-6:-4]].mean(0)  # hips
        off_m = [np.linalg.norm(one.joints[0] - middle_m) for one in found.people]
        assert min(off_m) < 0.12
    nobody = estimator.estimate([View(image, lens, 0.3, pose) for image, lens, pose, _ in views])
    assert not nobody.people and set(nobody.left_out) == {"camera0", "camera1"}, "images whose keypoints did not come"


def test_keypoints_come_from_a_topic(bench):
    from refit_ros.msg import Keypoints, SmplArray

    messages = bench.listen(SmplArray, "/human/smpl")
    bench.start(fake_model(), keypoint_source="topic", evidence="keypoints", detection_wait_s=5.0)
    bench.connected("/human/smpl")
    found = Keypoints(layout="coco", points=[float(value) for value in [10, 20, 0.5] * 17])
    found.header.stamp = stamp_of(STAMP_NS)
    bench.publish("/camera/keypoints", found)
    bench.camera(STAMP_NS)
    bench.wait(lambda: messages, "a message")
    assert bench.node._intake.used["camera", "keypoints"] == 1
    given = bench.model.estimator.seen[0][0].keypoints
    np.testing.assert_allclose(given.place_px[0], [[10, 20]] * 17)
    assert given.layout == "coco" and np.allclose(given.score, 0.5)


def test_keypoints_of_an_unknown_layout_are_told_by_the_node(bench, monkeypatch):
    from diagnostic_msgs.msg import DiagnosticArray
    from refit_ros.msg import Keypoints

    from refit_ros.node import inputs

    for name, value in (("PATIENCE_S", 0.1), ("UNUSED_S", 0.5), ("UNUSED_LEAST", 2)):
        monkeypatch.setattr(inputs, name, value)
    arrays = bench.listen(DiagnosticArray, "/diagnostics")
    bench.start(fake_model(), keypoint_source="topic", evidence="keypoints")

    def told():
        bench.publish("/camera/keypoints", Keypoints(layout="openpose"))
        return [each for array in arrays for each in array.status if "/camera/keypoints" in each.message]

    status = bench.wait(lambda: [each for each in told() if "none was used" in each.message], "it to be told")[0]
    assert "bad keypoints" in status.message
    values = {value.key: value.value for value in status.values}
    assert values["keypoints: used"] == "0" and int(values["keypoints: came"]) >= 2


def test_keypoints_come_out_of_a_bag(tmp_path, monkeypatch):
    rosbags = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    from test_recording import image, info

    from refit_ros.__main__ import main
    from refit_ros.commands import bag
    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    store = make_store()
    types = BagTypes(store)
    with rosbags.Writer(tmp_path / "in", version=9, storage_plugin=rosbags.StoragePlugin.MCAP) as writer:
        kinds = {
            "image_raw": "sensor_msgs/msg/Image",
            "camera_info": "sensor_msgs/msg/CameraInfo",
            "points": "refit_ros/msg/Keypoints",
        }
        topics = {name: writer.add_connection(f"/left/{name}", kind, typestore=store) for name, kind in kinds.items()}
        for tick in range(3):
            stamp_ns = STAMP_NS + tick * 100_000_000
            found = types.new("refit_ros/msg/Keypoints")
            found.header.stamp.sec, found.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            found.layout, found.points = "coco", np.tile(np.float32([10, 20, 0.5]), 17)
            messages = info(types, stamp_ns, "left"), image(types, stamp_ns, "left"), found
            for name, message in zip(("camera_info", "image_raw", "points"), messages):
                writer.write(topics[name], stamp_ns, store.serialize_cdr(message, kinds[name]))
    model, asked = fake_model(), []
    monkeypatch.setattr(bag, "_model", lambda parameters, settings, files: asked.append(settings) or model)
    said = ["bag", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--keypoint-topic", "{camera}/points"]
    assert main(said) == 0
    assert asked[0].keypoint_source == "topic"
    assert [len(views[0].keypoints.score) for views in model.estimator.seen] == [1, 1, 1]

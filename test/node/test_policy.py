"""The SROS2 policy allows what each node uses, all of it and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from node_fakes import fake_model

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "config" / "sros2" / "refit.policy.xml"
STAMP_NS = 1_700_000_000_000_000_000

pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")

from refit_ros.node.policy import ANY_BODY, NODES, Used, allowed_by, policy, used_at_most, used_by  # noqa: E402

KIND = SimpleNamespace(name="features", network="features/none/small", image_size=32, feature_shape=(67, 8, 8))
LOADED = {
    "refit": lambda *_: fake_model(),
    "refit_edge": lambda *_: (SimpleNamespace(searches=lambda which: False), KIND, "nothing"),
    "refit_fusion": lambda *_: (fake_model(), KIND),
}
IN, OUT, SERVED = "subscribe", "publish", "reply"
SOME = {
    "refit": {
        IN: {"/camera/image_raw", "/camera/image_raw/compressed", "/camera/camera_info", "/tf", "/clock"},
        OUT: {"/human/smpl", "/human/markers", "/tf", "/diagnostics", "/human/camera/overlay", "/humans/bodies/tracked"},
        SERVED: {"/refit/reset", "/refit/set_shape", "/refit/change_state"},
    },
    "refit_edge": {
        IN: {"/camera/image_raw", "/camera/image_raw/compressed", "/human/camera/expectation"},
        OUT: {"/human/camera/evidence", "/human/camera/camera_info", "/diagnostics"},
        SERVED: {"/refit_edge/change_state"},
    },
    "refit_fusion": {
        IN: {"/human/camera/evidence", "/human/camera/camera_info", "/human/fusion", "/tf"},
        OUT: {"/human/camera/expectation", "/human/fusion", "/human/smpl", "/tf"},
        SERVED: {"/refit_fusion/reset", "/refit_fusion/change_state"},
    },
}


@pytest.mark.parametrize("which", NODES)
def test_the_policy_allows_what_a_node_uses_and_nothing_else(which):
    used = used_at_most(which, LOADED[which])
    allowed = allowed_by(POLICY.read_text())
    assert list(allowed) == list(NODES)
    assert allowed[which] == used, "run scripts/make_policy.py > config/sros2/refit.policy.xml"
    for way, names in SOME[which].items():
        assert names <= getattr(used, way)


def test_edges_publish_nobody_and_fusions_take_no_images():
    allowed = allowed_by(POLICY.read_text())
    assert not any(name.startswith(("/human/smpl", "/humans", "/people")) for name in allowed["refit_edge"].publish)
    assert not any("image" in name for name in allowed["refit_fusion"].subscribe)


def test_topics_that_are_named_after_people_are_allowed(bench):
    bench.start(fake_model(people=2), hri=True)
    allowed = allowed_by(POLICY.read_text())["refit"]
    bench.camera(STAMP_NS)
    urdfs = {"/humans/bodies/h1/urdf", "/humans/bodies/h2/urdf"}
    bench.wait(lambda: urdfs <= {each.topic_name for each in bench.node.publishers}, "two bodies")
    used = used_by(bench.node)
    assert used | allowed == allowed
    assert {ANY_BODY + "urdf", ANY_BODY + "joint_states"} <= used.publish


def test_a_stream_more_is_a_stream_that_the_policy_lacks(bench):
    from std_msgs.msg import String

    node = bench.start(fake_model())
    allowed = allowed_by(POLICY.read_text())["refit"]
    assert used_by(node) | allowed == allowed
    node.create_publisher(String, "/something/new", 1)
    assert used_by(node).publish - allowed.publish == {"/something/new"}


def test_the_policy_is_of_the_form_that_sros2_reads():
    used = Used(frozenset({"/a", "/b"}), frozenset({"/c"}), frozenset({"/refit/d"}), frozenset())
    other = Used(frozenset({"/b"}), frozenset(), frozenset(), frozenset({"/e"}))
    text = policy({"refit": used, "other": other}, "/robot", namespace="/robot")
    assert allowed_by(text) == {"refit": used, "other": other}
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "policy" and root.get("version") == "0.2.0"
    assert [enclave.get("path") for enclave in root.findall("enclaves/enclave")] == ["/robot/refit", "/robot/other"]
    profile = root.find("enclaves/enclave/profiles/profile")
    assert profile.attrib == {"ns": "/robot", "node": "refit"}
    assert [(group.tag, group.attrib) for group in profile] == [
        ("topics", {"publish": "ALLOW"}),
        ("topics", {"subscribe": "ALLOW"}),
        ("services", {"reply": "ALLOW"}),
    ]


def test_in_an_enclave_the_node_runs_or_the_middleware_has_no_security(tmp_path):
    """With security enforced and no keys nobody may join, or the middleware says that it was built without."""
    (tmp_path / "enclaves" / "refit").mkdir(parents=True)
    code = (
        "import os, rclpy\n"
        "os.environ.update(ROS_SECURITY_ENABLE='true', ROS_SECURITY_STRATEGY='Enforce')\n"
        f"os.environ['ROS_SECURITY_KEYSTORE'] = {str(tmp_path)!r}\n"
        "rclpy.init(args=['--ros-args', '--enclave', '/refit'])\n"
        "rclpy.create_node('stranger')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    if "-DSECURITY=ON" in done.stderr:
        pytest.skip("this Fast DDS was built without its security plugins")

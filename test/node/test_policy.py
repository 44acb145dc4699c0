"""The SROS2 policy allows what the node uses, all of it and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from node_fakes import fake_model

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "config" / "sros2" / "refit.policy.xml"

pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")

from refit_ros.node.policy import Used, allowed_by, policy, used_at_most, used_by  # noqa: E402


def test_the_policy_allows_what_the_node_uses_and_nothing_else():
    used = used_at_most(lambda *_: fake_model())
    allowed = allowed_by(POLICY.read_text())
    assert allowed == used, "run scripts/make_policy.py > config/sros2/refit.policy.xml"
    assert {"/camera/image_raw", "/camera/image_raw/compressed", "/camera/camera_info", "/tf"} <= used.subscribe
    assert {"/human/smpl", "/human/markers", "/tf", "/diagnostics", "/human/camera/overlay"} <= used.publish
    assert {"/refit/reset", "/refit/set_shape", "/refit/change_state"} <= used.reply


def test_a_stream_more_is_a_stream_that_the_policy_lacks(bench):
    from std_msgs.msg import String

    node = bench.start(fake_model())
    allowed = allowed_by(POLICY.read_text())
    assert used_by(node) | allowed == allowed
    node.create_publisher(String, "/something/new", 1)
    assert used_by(node).publish - allowed.publish == {"/something/new"}


def test_the_policy_is_of_the_form_that_sros2_reads():
    used = Used(frozenset({"/a", "/b"}), frozenset({"/c"}), frozenset({"/refit/d"}), frozenset())
    text = policy(used, "/robot/refit", namespace="/robot")
    assert allowed_by(text) == used
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "policy" and root.get("version") == "0.2.0"
    assert root.find("enclaves/enclave").get("path") == "/robot/refit"
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

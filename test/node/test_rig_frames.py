"""The parameter `extrinsics`: where cameras stand, from a file, for everybody's TF and the node's own."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from node_fakes import fake_model  # noqa: E402

from refit_ros.camera.calibration import Calibration  # noqa: E402
from refit_ros.camera.rig import Rig, write_rig  # noqa: E402

STAMP_NS = 1_700_000_000_000_000_000


def rig(fixed_frame: str = "room") -> Rig:
    K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # a quarter about z
    poses[1, :3, 3] = 1, 2, 3
    return Rig(tuple(Calibration(n, f"{n}_optical", 64, 48, K) for n in ("left", "right")), fixed_frame, poses)


def test_the_node_publishes_the_file_and_uses_it(bench, tmp_path):
    from refit_ros.msg import SmplArray
    from tf2_msgs.msg import TFMessage

    write_rig(tmp_path / "rig.toml", rig())
    bench.start(fake_model(), cameras=["right"], fixed_frame="room", extrinsics=str(tmp_path / "rig.toml"))
    from rclpy.qos import DurabilityPolicy, QoSProfile

    heard = bench.listen(TFMessage, "/tf_static", QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    found = bench.wait(lambda: heard and {each.child_frame_id: each for each in heard[-1].transforms}, "static transforms")
    assert set(found) == {"left_optical", "right_optical"}
    right = found["right_optical"]
    assert right.header.frame_id == "room"
    place, turn = right.transform.translation, right.transform.rotation
    np.testing.assert_allclose([place.x, place.y, place.z], [1, 2, 3])
    np.testing.assert_allclose([turn.x, turn.y, turn.z, turn.w], [0, 0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-9)
    messages = bench.listen(SmplArray, "/human/smpl")
    bench.connected("/human/smpl")
    bench.camera(STAMP_NS, "right")
    assert bench.wait(lambda: messages and messages[-1], "people").header.frame_id == "room"


def test_the_camera_that_is_the_fixed_frame_needs_no_transform():
    from builtin_interfaces.msg import Time

    from refit_ros.node.rig_frames import transforms_of

    (only,) = transforms_of(rig("left_optical"), Time())
    assert (only.header.frame_id, only.child_frame_id) == ("left_optical", "right_optical")


def test_a_file_that_is_not_there_fails_to_configure(bench, tmp_path):
    bench.start(fake_model(), extrinsics=str(tmp_path / "no.toml"))
    assert not bench.started

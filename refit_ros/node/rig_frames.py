"""Where cameras stand, by a file of `calibrate`, as static TF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.node.conversions import set_xyz

if TYPE_CHECKING:
    from rclpy.node import Node

    from refit_ros.camera.rig import Rig

PUBLISHER = "refit_rig"  # the node of `calibrate --publish`


class RigFrames:
    """Publishes each camera's optical frame below the rig's fixed frame on /tf_static."""

    def __init__(self, node: Node, rig: Rig) -> None:
        from refit_ros.node.compat import tf2_ros

        self._node = node
        self._broadcaster = tf2_ros.StaticTransformBroadcaster(node)
        self._broadcaster.sendTransform(transforms_of(rig, node.get_clock().now().to_msg()))

    def close(self) -> None:
        self._node.destroy_publisher(self._broadcaster.pub_tf)


def transforms_of(rig: Rig, stamp: Any) -> list:
    """geometry_msgs/TransformStamped; a camera whose frame is the fixed one needs none."""
    from geometry_msgs.msg import TransformStamped

    result = []
    for calibration, pose in zip(rig.calibrations, rig.fixed_from_camera):
        if calibration.frame_id == rig.fixed_frame:
            continue
        message = TransformStamped(child_frame_id=calibration.frame_id)
        message.header.frame_id, message.header.stamp = rig.fixed_frame, stamp
        set_xyz(message.transform.translation, np.asarray(pose[:3, 3]))
        turn = message.transform.rotation
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        result.append(message)
    return result


def publish_until_stopped(rig: Rig, ros_arguments: list[str]) -> int:
    """As a node of its own. Returns the exit code after Ctrl-C."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node(PUBLISHER)
        frames = RigFrames(node, rig)
        children = ", ".join(calibration.frame_id for calibration in rig.calibrations)
        print(f"on /tf_static: {children} below {rig.fixed_frame}; Ctrl-C ends it", flush=True)
        try:
            rclpy.spin(node)
        finally:
            frames.close()
            node.destroy_node()
    except KeyboardInterrupt:
        pass
    finally:
        rclpy.try_shutdown()
    return 0

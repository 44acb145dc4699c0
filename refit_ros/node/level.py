"""With one camera and no fixed frame everything is in the optical frame, whose z is no up: a frame to look at it from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from rclpy.node import Node

LEVEL_FRAME = "refit_level"  # RViz's fixed frame in refit.launch.py, whatever the camera's own is called
# REP 103: x forward, y left, z up, seen from x right, y down, z forward. How the camera is tilted is not known.
OPTICAL_FROM_LEVEL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


class LevelFrame:
    """Publishes `refit_level` on /tf_static, below the optical frame, whose place above is whoever's it was."""

    def __init__(self, node: Node, prefix: str) -> None:
        from refit_ros.node.compat import tf2_ros

        self._node, self._name = node, f"{prefix}{LEVEL_FRAME}"
        self._broadcaster = tf2_ros.StaticTransformBroadcaster(node)
        self._below = ""

    def close(self) -> None:
        self._node.destroy_publisher(self._broadcaster.pub_tf)

    def stand_below(self, optical_frame: str, stamp: Any) -> None:
        """From now on the level frame hangs below this one; does nothing where it does already."""
        if optical_frame == self._below:
            return
        from geometry_msgs.msg import TransformStamped

        self._below = optical_frame
        message = TransformStamped(child_frame_id=self._name)
        message.header.frame_id, message.header.stamp = optical_frame, stamp
        turn = message.transform.rotation
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(OPTICAL_FROM_LEVEL).as_quat().tolist()
        self._broadcaster.sendTransform(message)

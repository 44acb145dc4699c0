"""The node's publishers, and who listens to them: what nobody wants is not computed."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.camera.rig import read_rig
from refit_ros.node import conversions
from refit_ros.node.humans import Humans
from refit_ros.node.level import LevelFrame
from refit_ros.node.message_types import RosTypes
from refit_ros.node.obstacles import Obstacles
from refit_ros.node.rig_frames import RigFrames

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from refit_ros.core.body_files import BodyArrays

DEPTH = 5  # reliable, the last few
TF_REMEMBERED = 300  # sets whose transforms are known as this node's own when they come back on /tf


class Outputs:
    """Publishers of the lifecycle node; they are silent while it is not active."""

    def __init__(
        self,
        node: LifecycleNode,
        cameras: list[str],
        publish_mesh: bool,
        faces: np.ndarray,
        tf_prefix: str = "",
        obstacles_of: BodyArrays | None = None,
        humans_of: BodyArrays | None = None,
    ) -> None:
        from sensor_msgs.msg import Image
        from visualization_msgs.msg import MarkerArray

        from refit_ros.msg import SmplArray
        from refit_ros.node.compat import tf2_ros

        self.types, self.publish_mesh, self.faces = RosTypes(), publish_mesh, np.asarray(faces)
        self._node = node
        self._smpl = node.create_lifecycle_publisher(SmplArray, "human/smpl", DEPTH)
        self._markers = node.create_lifecycle_publisher(MarkerArray, "human/markers", DEPTH)
        self._overlays = {
            camera: node.create_lifecycle_publisher(Image, f"human/{camera.strip('/')}/overlay", DEPTH) for camera in cameras
        }
        self._tf = tf2_ros.TransformBroadcaster(node)
        self._tf_stamps_ns: deque[int] = deque(maxlen=TF_REMEMBERED)
        self.level = LevelFrame(node, tf_prefix)
        self.obstacles = Obstacles(node, obstacles_of) if obstacles_of is not None else None
        self.humans = Humans(node, humans_of, self.types) if humans_of is not None else None
        self._rig: RigFrames | None = None

    def publish_rig(self, path: str) -> None:
        """Where the cameras stand, for everybody and for this node. Raises InputError or OSError with a sentence."""
        self._rig = RigFrames(self._node, read_rig(Path(path)))

    def close(self) -> None:
        for publisher in (self._smpl, self._markers, *self._overlays.values()):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._tf.pub_tf)
        self.level.close()
        for part in filter(None, (self.obstacles, self.humans, self._rig)):
            part.close()

    def smpl_wanted(self) -> bool:
        return self._smpl.get_subscription_count() > 0

    def tf_wanted(self) -> bool:
        return self._tf.pub_tf.get_subscription_count() > 0

    def markers_wanted(self) -> bool:
        return self._markers.get_subscription_count() > 0

    def overlay_wanted(self, camera: str) -> bool:
        return self._overlays[camera].get_subscription_count() > 0

    def publish_smpl(self, message: Any) -> None:
        self._smpl.publish(message)

    def publish_tf(self, transforms: list) -> None:
        """All of a set in one message."""
        self._tf_stamps_ns.append(conversions.stamp_ns(transforms[0].header.stamp))
        self._tf.sendTransform(transforms)

    def has_published_tf(self, stamp_ns: int) -> bool:
        """Lately."""
        return stamp_ns in self._tf_stamps_ns

    def publish_markers(self, serialized: bytes) -> None:
        self._markers.publish(serialized)

    def publish_overlay(self, camera: str, message: Any) -> None:
        self._overlays[camera].publish(message)

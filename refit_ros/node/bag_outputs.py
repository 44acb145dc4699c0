"""What a node would publish, written into a bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from refit_ros.node.message_types import BagTypes

TF = "tf2_msgs/msg/TFMessage"


class BagOutputs:
    """In place of the node's publishers: everything is wanted but overlays, and goes into the bag."""

    obstacles = humans = None

    def __init__(self, writer: Any, store: Any, publish_mesh: bool, faces: np.ndarray) -> None:
        self.types, self.publish_mesh, self.faces = BagTypes(store), publish_mesh, np.asarray(faces)
        self.time_ns = 0  # when the bag says that the set was complete
        self._writer = writer
        self._connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in (
                ("/human/smpl", "refit_ros/msg/SmplArray"),
                ("/human/markers", "visualization_msgs/msg/MarkerArray"),
                ("/tf", TF),
            )
        }

    def smpl_wanted(self) -> bool:
        return True

    tf_wanted = markers_wanted = smpl_wanted

    def overlay_wanted(self, camera: str) -> bool:
        return False

    def publish_smpl(self, message: Any) -> None:
        self._write("/human/smpl", self.types.serialize(message))

    def publish_markers(self, serialized: bytes) -> None:
        self._write("/human/markers", serialized)

    def publish_tf(self, transforms: list) -> None:
        message = self.types.new(TF)
        message.transforms = transforms
        self._write("/tf", self.types.serialize(message))

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write(self._connections[topic], self.time_ns, data)

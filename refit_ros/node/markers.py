"""People as visualization_msgs markers: skeleton, label, and the mesh without a Python loop over its triangles."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.core.joints import JOINT_INDEX, PARENTS
from refit_ros.estimation.palette import color_of
from refit_ros.node.conversions import points, set_stamp, set_xyz

if TYPE_CHECKING:
    from refit_ros.estimation.types import Person
    from refit_ros.node.message_types import BagTypes, RosTypes

    Types = RosTypes | BagTypes

LINE_LIST, TEXT_VIEW_FACING, TRIANGLE_LIST = 5, 9, 11  # visualization_msgs/Marker
ADD, DELETE = 0, 2
SKELETON, LABEL, MESH = "skeleton", "label", "mesh"
BONE_WIDTH_M, LABEL_HEIGHT_M, LABEL_ABOVE_HEAD_M = 0.03, 0.15, 0.25
LABEL_SPACE_M = 0.05  # between words: RViz takes it from scale.x, and where that is 0 from somewhere else
MESH_OPACITY = 0.55  # so that the skeleton in it is seen
LIFETIME_S = 3.0  # when all cameras stop nobody deletes anything, and RViz would show the last people for ever
POINT_BYTES = 24
_BONES = np.array([(joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0])


class Markers:
    """Makes a MarkerArray of each set's people and remembers what has to be deleted later."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._shown: set[tuple[str, int]] = set()

    def serialized(
        self,
        people: tuple[Person, ...],
        stamp_ns: int,
        frame_id: str,
        vertices_m: dict[int, np.ndarray] | None = None,
        faces: np.ndarray | None = None,
    ) -> bytes:
        """visualization_msgs/MarkerArray in CDR: everybody of now, and the deletion of whoever is gone.

        vertices_m: (V, 3) in `frame_id` by person's id, faces: (F, 3); None: no meshes.
        """
        vertices_m = vertices_m or {}
        markers, meshes = [], []
        for person in people:
            markers += [self._skeleton(person), self._label(person)]
            if person.id in vertices_m:
                placeholder = _placeholder(len(meshes))
                markers.append(self._mesh(person.id, placeholder))
                meshes.append(vertices_m[person.id][faces])
        now = {(marker.ns, marker.id) for marker in markers}
        markers += [self._deletion(*gone) for gone in sorted(self._shown - now)]
        self._shown = now
        for marker in markers:
            marker.header.frame_id = frame_id
            set_stamp(marker.header.stamp, stamp_ns)
        message = self._types.new("visualization_msgs/msg/MarkerArray")
        message.markers = markers
        return splice_points(self._types.serialize(message), meshes)

    def deletion(self, stamp_ns: int, frame_id: str) -> bytes:
        """The same for nobody: everything that is shown goes."""
        return self.serialized((), stamp_ns, frame_id)

    def _marker(self, namespace: str, number: int, kind: int) -> Any:
        marker = self._types.new("visualization_msgs/msg/Marker")
        marker.ns, marker.id, marker.type, marker.action = namespace, int(number), kind, ADD
        marker.pose.orientation.w = 1.0
        set_stamp(marker.lifetime, round(LIFETIME_S * 1e9))
        color = marker.color
        color.r, color.g, color.b = color_of(number)
        color.a = 1.0
        return marker

    def _skeleton(self, person: Person) -> Any:
        marker = self._marker(SKELETON, person.id, LINE_LIST)
        marker.scale.x = BONE_WIDTH_M
        marker.points = points(self._types, np.asarray(person.joints)[_BONES].reshape(-1, 3))
        return marker

    def _label(self, person: Person) -> Any:
        marker = self._marker(LABEL, person.id, TEXT_VIEW_FACING)
        marker.scale.x, marker.scale.z = LABEL_SPACE_M, LABEL_HEIGHT_M
        head, pelvis = person.joints[JOINT_INDEX["head"]], person.joints[JOINT_INDEX["pelvis"]]
        length = max(float(np.linalg.norm(head - pelvis)), 1e-6)
        set_xyz(marker.pose.position, head + (head - pelvis) / length * LABEL_ABOVE_HEAD_M)
        marker.text = f"{person.id} ({100 * person.confidence:.0f} %)"
        return marker

    def _mesh(self, number: int, placeholder: tuple[float, ...]) -> Any:
        marker = self._marker(MESH, number, TRIANGLE_LIST)
        marker.scale.x = marker.scale.y = marker.scale.z = 1.0
        marker.color.a = MESH_OPACITY
        marker.points = points(self._types, [placeholder])
        return marker

    def _deletion(self, namespace: str, number: int) -> Any:
        marker = self._types.new("visualization_msgs/msg/Marker")
        marker.ns, marker.id, marker.action = namespace, number, DELETE
        marker.pose.orientation.w = 1.0
        return marker


def _placeholder(index: int) -> tuple[float, float, float]:
    """A point that no body has."""
    return -7.25e123, 3.5e-201, float(index)


def splice_points(message: bytes, clouds: list[np.ndarray]) -> bytes:
    """Put each cloud of points in place of the one placeholder that stands for it in a serialized MarkerArray.

    A geometry_msgs/Point takes 24 bytes in CDR, a multiple of every alignment, so whatever follows keeps its own.
    41,328 points (a mesh of SMPL) cost about 1 ms this way, and 80 ms as a list of Python objects.
    """
    pieces, end = [], 0
    for index, cloud in enumerate(clouds):
        body = np.ascontiguousarray(cloud, "<f8").reshape(-1, 3)
        at = message.index(struct.pack("<3d", *_placeholder(index)), end)
        count_at = _count_position(message, at)
        pieces += [message[end:count_at], struct.pack("<I", len(body)), message[count_at + 4 : at], body.tobytes()]
        end = at + POINT_BYTES
    return b"".join([*pieces, message[end:]])


def _count_position(message: bytes, points_at: int) -> int:
    """Where the sequence's length (1) stands: 4 bytes before its first point, or 8 where 4 bytes of padding follow it.

    Before it comes `frame_locked`, which is false: 8 bytes before the point stands either that 0 or the length's 1.
    """
    return points_at - (8 if message[points_at - 8] == 1 else 4)

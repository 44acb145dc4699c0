"""Messages become arrays and arrays become messages, all in this file.

Works on rclpy's messages and on those of a bag reader alike: only the fields' names matter. What cannot be used
raises `Rejected` with one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.landmarks import layout_indices
from refit_ros.estimation.types import People, Person, PersonView
from refit_ros.node.rejections import Rejected

if TYPE_CHECKING:
    from refit_ros.node.message_types import BagTypes, RosTypes
    from refit_ros.node.sets import FrameSet

    Types = RosTypes | BagTypes

SHORTEST_TRUNK_M = 0.1
_CORNERS = 2  # points a box has in a PolygonStamped


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time -> ns."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def set_stamp(stamp: Any, nanoseconds: int) -> None:
    """Fill a builtin_interfaces/Time or Duration."""
    stamp.sec, stamp.nanosec = divmod(int(nanoseconds), 1_000_000_000)


def frame_id_of(message: Any) -> str:
    """As TF2 has it: without the leading slash of ROS 1."""
    return message.header.frame_id.removeprefix("/")


def calibration(camera: str, message: Any, rectified: bool = False) -> Calibration:
    """CameraInfo -> the camera of its images: K and D, or for rectified images P and no lens.

    Raises Rejected on numbers that describe no camera.
    """
    roi = message.roi
    k, d, p = (message.k, message.d, message.p) if hasattr(message, "k") else (message.K, message.D, message.P)
    model = message.distortion_model
    if rectified:
        projection = np.asarray(p, float).reshape(3, 4)[:, :3]
        k, d, model = projection if projection.any() else k, (), ""  # a driver that fills in K alone
    try:
        return Calibration.from_camera_info_fields(
            camera,
            frame_id_of(message),
            message.width,
            message.height,
            k,
            d,
            model,
            message.binning_x,
            message.binning_y,
            roi.x_offset,
            roi.y_offset,
            roi.width,
            roi.height,
        )
    except ValueError as error:
        whose = "P of rectified images: " if rectified else ""
        raise Rejected("bad CameraInfo", f"{whose}{error}") from error


def camera_info(types: RosTypes, camera: Calibration, stamp: int) -> Any:
    """The CameraInfo from which `calibration` makes the same camera again; `stamp` in ns."""
    message = types.new("sensor_msgs/msg/CameraInfo")
    set_stamp(message.header.stamp, stamp)
    message.header.frame_id = camera.frame_id
    message.width, message.height, message.distortion_model = camera.width_px, camera.height_px, camera.distortion_model
    message.k, message.d = np.asarray(camera.K, float).reshape(-1), camera.coefficients.tolist()
    return message


def boxes(message: Any, wanted_class: str = "") -> Boxes:
    """vision_msgs/Detection2DArray, or geometry_msgs/PolygonStamped with two corners a box -> Boxes.

    In a polygon, point 2 i is the upper left and 2 i + 1 the lower right corner of box i, in px; z of the first is
    its confidence, 0 counting as 1. Boxes that are no boxes are left to the estimator, which counts them.
    """
    if hasattr(message, "polygon"):
        points = message.polygon.points
        if len(points) % _CORNERS:
            raise Rejected("bad boxes", f"{len(points)} corners came, two for each box were expected")
        corners = np.array([(p.x, p.y, p.z) for p in points], float).reshape(-1, _CORNERS, 3)
        confidence = np.where(corners[:, 0, 2] == 0, 1.0, corners[:, 0, 2])
        return Boxes(corners[:, :, :2].reshape(-1, 4), confidence)
    rows = [row for row in (_detection(each, wanted_class) for each in message.detections) if row is not None]
    table = np.array(rows, float).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4])


def keypoints(message: Any) -> GivenKeypoints:
    """refit_ros/Keypoints. Raises Rejected for an unknown layout, or where not each person has all of its points."""
    try:
        count = len(layout_indices(message.layout))
    except ValueError as error:
        raise Rejected("bad keypoints", str(error)) from None
    numbers = np.asarray(message.points, float)
    if len(numbers) % (3 * count):
        raise Rejected(
            "bad keypoints",
            f"{len(numbers)} numbers came, {3 * count} for each person were expected ({count} points of layout "
            f"'{message.layout}', x, y and score of each)",
        )
    rows = numbers.reshape(-1, count, 3)
    return GivenKeypoints(rows[..., :2], rows[..., 2], message.layout)


def _detection(message: Any, wanted_class: str) -> tuple[float, ...] | None:
    scores = [
        result.hypothesis.score
        for result in message.results
        if not wanted_class or result.hypothesis.class_id == wanted_class
    ]
    if message.results and not scores:
        return None
    center = message.bbox.center
    x, y = (center.position.x, center.position.y) if hasattr(center, "position") else (center.x, center.y)
    half_x, half_y = message.bbox.size_x / 2, message.bbox.size_y / 2
    return x - half_x, y - half_y, x + half_x, y + half_y, max(scores, default=1.0)


def is_finite(person: Person) -> bool:
    """Whether every number that would be published is one."""
    numbers = [
        person.confidence,
        person.betas,
        person.global_orient,
        person.body_pose,
        person.transl,
        person.joints,
        person.joint_rotmats,
        person.joint_stddev,
        person.root_covariance,
        person.root_velocity,
    ]
    numbers += [value for view in person.views for value in (view.weak_perspective, view.residual_px, view.box_xyxy_px)]
    return bool(np.isfinite(np.concatenate([np.ravel(value) for value in numbers])).all())


def smpl_array(types: Types, people: People, taken: FrameSet, frame_id: str, body_model: str, latency_ns: int) -> Any:
    """refit_ros/SmplArray of the images that were used, stamped with the earliest of their capture times."""
    message = types.new("refit_ros/msg/SmplArray")
    message.header.frame_id = frame_id
    set_stamp(message.header.stamp, taken.stamp_ns)
    message.cameras = list(people.cameras)
    set_stamp(message.sync_spread, taken.spread_ns)
    set_stamp(message.latency, latency_ns)
    sizes = {frame.camera: (frame.calibration.width_px, frame.calibration.height_px) for frame in taken.frames}
    message.people = [_smpl(types, person, body_model, sizes) for person in people.people]
    return message


def _smpl(types: Types, person: Person, body_model: str, sizes: dict[str, tuple[int, int]]) -> Any:
    message = types.new("refit_ros/msg/Smpl")
    message.id, message.confidence, message.body_model = int(person.id), float(person.confidence), body_model
    message.betas = _float32(person.betas)
    message.global_orient = _float32(person.global_orient)
    message.body_pose = _float32(person.body_pose)
    set_xyz(message.transl, person.transl)
    message.joints = points(types, person.joints)
    message.joint_stddev = _float32(person.joint_stddev)
    message.joint_in_image = types.bools(person.joint_in_image)
    message.views = [_smpl_view(types, view, sizes[view.camera]) for view in person.views]
    set_xyz(message.root.pose.position, person.joints[0])
    turn = message.root.pose.orientation
    turn.x, turn.y, turn.z, turn.w = Rotation.from_rotvec(person.global_orient).as_quat().tolist()
    message.root.covariance = _root_covariance(person)
    set_xyz(message.root_velocity, person.root_velocity)
    return message


def _root_covariance(person: Person) -> np.ndarray:
    """(36,) as in PoseWithCovariance: x y z, then rotation about the frame's axes.

    The rotation's is that of a line from the pelvis to the neck with the two ends' joint_stddev: no more is known of it.
    """
    pelvis, neck = JOINT_INDEX["pelvis"], JOINT_INDEX["neck"]
    length_m = max(float(np.linalg.norm(person.joints[neck] - person.joints[pelvis])), SHORTEST_TRUNK_M)
    turn_rad2 = (person.joint_stddev[pelvis] ** 2 + person.joint_stddev[neck] ** 2) / length_m**2
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = person.root_covariance
    covariance[3:, 3:] = np.eye(3) * min(turn_rad2, np.pi**2)
    return covariance.reshape(-1)


def _smpl_view(types: Types, view: PersonView, size: tuple[int, int]) -> Any:
    message = types.new("refit_ros/msg/SmplView")
    message.camera, message.frame_id = view.camera, view.frame_id
    left, top, right, bottom = np.clip(np.round(view.box_xyxy_px), 0, [*size, *size]).astype(int).tolist()
    message.box.x_offset, message.box.y_offset, message.box.width, message.box.height = left, top, right - left, bottom - top
    message.weak_perspective = _float32(view.weak_perspective)
    message.residual_px = float(view.residual_px)
    return message


def points(types: Types, values_m: np.ndarray) -> list:
    """(N, 3) -> geometry_msgs/Point[N]. For a few; thousands are spliced in (see markers)."""
    result = []
    for x, y, z in np.asarray(values_m, float).tolist():
        point = types.new("geometry_msgs/msg/Point")
        point.x, point.y, point.z = x, y, z
        result.append(point)
    return result


def set_xyz(message: Any, value: np.ndarray) -> None:
    """Fill a Point or Vector3."""
    message.x, message.y, message.z = np.asarray(value, float).tolist()


def image_message(types: Types, image: np.ndarray, stamp: int, frame_id: str) -> Any:
    """(H, W, 3) uint8 RGB -> sensor_msgs/Image in rgb8; `stamp` in ns."""
    message = types.new("sensor_msgs/msg/Image")
    message.header.frame_id = frame_id
    set_stamp(message.header.stamp, stamp)
    message.height, message.width = image.shape[:2]
    message.encoding, message.is_bigendian, message.step = "rgb8", 0, 3 * image.shape[1]
    message.data = types.octets(image)
    return message


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32).reshape(-1)

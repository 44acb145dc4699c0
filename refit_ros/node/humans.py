"""People as REP 155 has them: /humans/bodies/tracked, and for each body its topics, joint states, URDF and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.humanoid import Humanoid, Lengths, humanoid, lengths_of
from refit_ros.node.conversions import image_message, set_stamp, set_xyz
from refit_ros.node.hri_types import IDS, TOPICS, hri_types
from refit_ros.node.urdf import urdf

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from refit_ros.camera.views import View
    from refit_ros.core.body_files import BodyArrays
    from refit_ros.estimation.types import Person, PersonView

BODIES = "/humans/bodies"  # global, whatever the node's namespace is: so the standard has it
BODY_TOPICS = ("joint_states", "cropped", "roi", "skeleton2d", "urdf")  # below a body's name
DEPTH = 5
OTHER_SHAPE_M = 0.01  # a bone that has become so much longer or shorter makes a new URDF
OTHERS = (
    f"{BODIES}/tracked has another publisher too: bodies' names and frames of two nodes mix in one ROS domain; let one of "
    "them have hri, or give each robot its own ROS_DOMAIN_ID"
)
# The standard's 18 points, in its order, as far as SMPL has them; eyes and ears it has not.
POINTS = (
    *("head", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
)
POINT_COUNT = 18
NO_STAMPS: Mapping[str, int] = MappingProxyType({})


def body_id(person_id: int) -> str:
    """Of the same person: /human/smpl's id with a letter before it, since names of topics do not begin with a digit."""
    return f"h{person_id}"


class Humans:
    """Publishers of the lifecycle node, made and taken away with the people. What nobody listens to is not computed."""

    def __init__(self, node: LifecycleNode, body: BodyArrays, types: Any) -> None:
        self._node, self._types, self._body = node, types, body
        self._kinds, lacking = hri_types()
        self._tracked = self._publisher(self._kinds[IDS], f"{BODIES}/tracked") if IDS in self._kinds else None
        if lacking:
            node.get_logger().warning(lacking)
        self._others_told = False
        self._known: dict[int, _Body] = {}
        self._shapes: dict[bytes, Lengths] = {}

    def close(self) -> None:
        self._leave(set())
        if self._tracked is not None:
            self._node.destroy_lifecycle_publisher(self._tracked)

    def publish(
        self, people: tuple[Person, ...], views: Sequence[View], stamp_ns: int, taken_ns: Mapping[str, int] = NO_STAMPS
    ) -> None:
        """Everybody of a set, in the fixed frame, and the images that they were seen in.

        taken_ns: of each camera's image, where that is not `stamp_ns`: what is said of an image bears its stamp.
        """
        self._leave({person.id for person in people})
        for person in people:
            lengths = self._lengths(person)
            if person.id not in self._known:
                self._tell_of_others()
                self._known[person.id] = _Body(self._publisher, body_id(person.id), self._kinds)
            self._known[person.id].publish(person, lengths, views, stamp_ns, taken_ns, self._types)
        if self._tracked is not None and self._tracked.get_subscription_count() > 0:
            message = self._types.new("hri_msgs/msg/IdsList")
            set_stamp(message.header.stamp, stamp_ns)
            message.ids = [body_id(person.id) for person in people]
            self._tracked.publish(message)

    def transforms(self, people: tuple[Person, ...], stamp_ns: int, fixed_frame: str) -> list:
        """geometry_msgs/TransformStamped: everybody's body in the fixed frame, their links in the body's."""
        result = []
        for person in people:
            name = body_id(person.id)
            model = humanoid(np.asarray(person.joints), np.asarray(person.joint_rotmats), self._lengths(person))
            place, turn = model.body
            result.append(self._transform(fixed_frame, f"body_{name}", place, turn, stamp_ns))
            for link, (at, turned) in model.links.items():
                own = turn.T @ (at - place), turn.T @ turned
                result.append(self._transform(f"body_{name}", f"{link}_{name}", *own, stamp_ns))
        return result

    def _transform(self, parent: str, child: str, place: np.ndarray, turn: np.ndarray, stamp_ns: int) -> Any:
        message = self._types.new("geometry_msgs/msg/TransformStamped")
        set_stamp(message.header.stamp, stamp_ns)
        message.header.frame_id, message.child_frame_id = parent, child
        set_xyz(message.transform.translation, place)
        rotation = message.transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = Rotation.from_matrix(turn).as_quat().tolist()
        return message

    def _lengths(self, person: Person) -> Lengths:
        key = np.round(np.asarray(person.betas, float), 3).tobytes()
        if key not in self._shapes:
            if len(self._shapes) > 100:
                self._shapes.clear()
            rest = self._body.v_template + self._body.shapedirs[..., :10] @ np.asarray(person.betas, float)
            self._shapes[key] = lengths_of(np.asarray(self._body.J_regressor @ rest), float(np.ptp(rest[:, 1])))
        return self._shapes[key]

    def _tell_of_others(self) -> None:
        """Once, and looked for when somebody comes: the graph is asked, which takes its time."""
        if not self._others_told and self._tracked is not None and self._node.count_publishers(f"{BODIES}/tracked") > 1:
            self._others_told = True
            self._node.get_logger().warning(OTHERS)

    def _leave(self, staying: set[int]) -> None:
        for gone in set(self._known) - staying:
            for publisher in self._known.pop(gone).publishers.values():
                self._node.destroy_lifecycle_publisher(publisher)

    def _publisher(self, kind: type, topic: str, latched: bool = False) -> Any:
        from rclpy.event_handler import PublisherEventCallbacks
        from rclpy.qos import DurabilityPolicy, QoSProfile

        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        # Without events: these come and go in the computing thread, and the executor waits for what has events.
        publisher = self._node.create_lifecycle_publisher(
            kind,
            topic,
            QoSProfile(depth=1 if latched else DEPTH, durability=durability),
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )
        publisher.on_activate(None)  # made while the node is active: nobody else tells it
        return publisher


class _Body:
    """One person's topics."""

    def __init__(self, make: Any, name: str, standard: Mapping[str, type]) -> None:
        """standard: of `hri_types`."""
        from sensor_msgs.msg import Image, JointState
        from std_msgs.msg import String

        self._name, self._lengths = name, None
        kinds = {"joint_states": JointState, "cropped": Image}
        kinds |= {TOPICS[message]: kind for message, kind in standard.items() if message != IDS}
        self.publishers = {topic: make(kind, f"{BODIES}/{name}/{topic}") for topic, kind in kinds.items()}
        self.publishers["urdf"] = make(String, f"{BODIES}/{name}/urdf", latched=True)

    def publish(
        self,
        person: Person,
        lengths: Lengths,
        views: Sequence[View],
        stamp_ns: int,
        taken_ns: Mapping[str, int],
        types: Any,
    ) -> None:
        if self._lengths is None or lengths.differ(self._lengths) > OTHER_SHAPE_M:
            self._lengths = lengths
            message = types.new("std_msgs/msg/String")
            message.data = urdf(self._name, lengths)
            self.publishers["urdf"].publish(message)
        if self._wanted("joint_states"):
            model = humanoid(np.asarray(person.joints), np.asarray(person.joint_rotmats), lengths)
            self.publishers["joint_states"].publish(joint_states(types, model, self._name, stamp_ns))
        found = seen_best(person, views)
        if found is None:
            return
        image_ns = taken_ns.get(found[0].camera, stamp_ns)
        for topic, made in (("roi", region), ("skeleton2d", skeleton), ("cropped", cropped)):
            if self._wanted(topic) and (topic != "cropped" or found[1].image is not None):  # a fusion has no images
                self.publishers[topic].publish(made(types, person, *found, image_ns))

    def _wanted(self, topic: str) -> bool:
        return topic in self.publishers and self.publishers[topic].get_subscription_count() > 0


def seen_best(person: Person, views: Sequence[View]) -> tuple[PersonView, View] | None:
    """The view in which they are largest."""
    images = {view.calibration.name: view for view in views}
    seen = [(float(np.prod(np.diff(one.box_xyxy_px.reshape(2, 2), axis=0))), one) for one in person.views]
    seen = [each for each in seen if each[1].camera in images]
    if not seen:
        return None
    best = max(seen, key=lambda each: each[0])[1]
    return best, images[best.camera]


def joint_states(types: Any, model: Humanoid, name: str, stamp_ns: int) -> Any:
    """sensor_msgs/JointState of the URDF's joints that move."""
    message = types.new("sensor_msgs/msg/JointState")
    set_stamp(message.header.stamp, stamp_ns)
    message.name = [f"{joint}_{name}" for joint in model.angles]
    message.position = list(model.angles.values())
    return message


def region(types: Any, person: Person, seen: PersonView, view: View, stamp_ns: int) -> Any:
    """hri_msgs/NormalizedRegionOfInterest2D: shares of the image's width and height."""
    message = types.new("hri_msgs/msg/NormalizedRegionOfInterest2D")
    _head(message, seen, stamp_ns)
    size = np.array([view.calibration.width_px, view.calibration.height_px] * 2)
    values = np.clip(np.asarray(seen.box_xyxy_px) / size, 0, 1).tolist()
    message.xmin, message.ymin, message.xmax, message.ymax = values
    message.c = float(person.confidence)
    return message


def skeleton(types: Any, person: Person, seen: PersonView, view: View, stamp_ns: int) -> Any:
    """hri_msgs/Skeleton2D: 18 points; what is outside the image, and eyes and ears, have no confidence (c = 0)."""
    message = types.new("hri_msgs/msg/Skeleton2D")
    _head(message, seen, stamp_ns)
    calibration = view.calibration
    pose = np.eye(4) if view.fixed_from_camera is None else np.asarray(view.fixed_from_camera)
    camera_m = (np.asarray(person.joints)[[JOINT_INDEX[name] for name in POINTS]] - pose[:3, 3]) @ pose[:3, :3]
    share = calibration.project(camera_m) / [calibration.width_px, calibration.height_px]
    inside = calibration.sees(camera_m)
    points = []
    for index in range(POINT_COUNT):
        point = types.new("hri_msgs/msg/NormalizedPointOfInterest2D")
        if index < len(POINTS) and inside[index]:
            point.x, point.y = np.clip(share[index], 0, 1).tolist()
            point.c = float(person.confidence)
        points.append(point)
    message.skeleton = points
    return message


def cropped(types: Any, person: Person, seen: PersonView, view: View, stamp_ns: int) -> Any:
    """sensor_msgs/Image of the region, rgb8."""
    height, width = view.image.shape[:2]
    box = np.asarray(seen.box_xyxy_px)
    left, top = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), [left + 1, top + 1], [width, height]).astype(int)
    return image_message(types, np.ascontiguousarray(view.image[top:bottom, left:right]), stamp_ns, seen.frame_id)


def _head(message: Any, seen: PersonView, stamp_ns: int) -> None:
    message.header.frame_id = seen.frame_id
    set_stamp(message.header.stamp, stamp_ns)

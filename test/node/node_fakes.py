"""What the node's tests put in place of a network: a body of a few points, and people who are where they are told."""

from __future__ import annotations

import array
import threading
import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from refit_ros.camera.views import View
from refit_ros.core.body import Body
from refit_ros.core.body_files import BodyArrays
from refit_ros.core.joints import PARENTS
from refit_ros.estimation.types import People, Person, PersonView
from refit_ros.node.model import Model

CAMERA_FROM_BODY = np.diag([1.0, -1.0, -1.0])  # upright before a camera


def small_body(vertices: int = 96, seed: int = 0) -> Body:
    """Four points around each joint of a stick figure; numbers without meaning, an SMPL body all the same."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((24, 3))
    for joint in range(1, 24):
        joints[joint] = joints[PARENTS[joint]] + rng.normal(0, 0.15, 3)
    owner = np.arange(vertices) % 24
    regressor = np.zeros((24, vertices))
    regressor[owner, np.arange(vertices)] = 24 / vertices
    return Body(
        BodyArrays(
            name="small",
            v_template=joints[owner] + rng.normal(0, 0.05, (vertices, 3)),
            faces=rng.integers(0, vertices, (2 * vertices, 3)),
            shapedirs=rng.normal(0, 0.01, (vertices, 3, 10)),
            posedirs=rng.normal(0, 0.001, (vertices, 3, 207)),
            J_regressor=regressor,
            weights=np.eye(24)[owner],
            markers=np.arange(67),
        )
    )


def person_in_camera(body: Body, number: int = 1, seed: int = 0, depth_m: float = 3.0) -> Person:
    """A random person before a camera, in that camera's frame."""
    rng = np.random.default_rng(seed)
    betas, pose = rng.normal(0, 1, 10), rng.normal(0, 0.3, (23, 3))
    orient = (Rotation.from_matrix(CAMERA_FROM_BODY) * Rotation.from_rotvec(rng.normal(0, 0.3, 3))).as_rotvec()
    transl = np.array([0.1 * number, 0.2, depth_m])
    return posed(body, number, betas, orient, pose, transl)


def posed(body: Body, number: int, betas, orient, pose, transl, views: tuple[PersonView, ...] = ()) -> Person:
    """A person whose joints follow from the parameters."""
    local = Rotation.from_rotvec(np.concatenate([[orient], pose])).as_matrix()
    joints = body.joints(*(torch.tensor(np.asarray(value)[None], dtype=torch.float32) for value in (betas, local, transl)))
    turned = np.zeros((24, 3, 3))
    for joint, parent in enumerate(PARENTS):
        turned[joint] = local[joint] if parent < 0 else turned[parent] @ local[joint]
    return Person(
        id=number,
        confidence=0.9,
        betas=np.asarray(betas),
        global_orient=np.asarray(orient),
        body_pose=np.asarray(pose),
        transl=np.asarray(transl),
        joints=joints[0].double().numpy(),
        joint_rotmats=turned,
        joint_stddev=np.full(24, 0.02),
        joint_in_image=np.ones(24, bool),
        views=views,
    )


def moved(body: Body, person: Person, frame_from_camera: np.ndarray) -> Person:
    """The same person in another frame; SMPL turns about its root joint J0."""
    A, a = frame_from_camera[:3, :3], frame_from_camera[:3, 3]
    J0 = body.rest_joints(torch.tensor(person.betas[None], dtype=torch.float32))[0, 0].double().numpy()
    orient = (Rotation.from_matrix(A) * Rotation.from_rotvec(person.global_orient)).as_rotvec()
    transl = A @ (J0 + person.transl) + a - J0
    return posed(body, person.id, person.betas, orient, person.body_pose, transl, person.views)


def vertices(body, betas, orient, pose, transl) -> np.ndarray:
    """The mesh (V, 3) m that a message's parameters mean, in its frame."""
    rotmats = Rotation.from_rotvec(np.concatenate([np.asarray(orient, float)[None], np.asarray(pose, float)])).as_matrix()
    tensors = (torch.tensor(np.asarray(value)[None], dtype=torch.float32) for value in (betas, rotmats, transl))
    return body.vertices(*tensors)[0].double().numpy()


@dataclass
class FakeEstimator:
    """Sees the same people in the first camera, always; remembers what it was given."""

    body: Body
    people: tuple[Person, ...]
    delay_s: float = 0.0
    seen: list[tuple[View, ...]] = field(default_factory=list)
    resets: int = 0
    shapes: dict[int, np.ndarray | None] = field(default_factory=dict)
    fail: bool = False
    gate: threading.Event | None = None  # waits for it before every answer

    def estimate(self, views) -> People:
        if self.gate is not None:
            self.gate.wait(300)
        time.sleep(self.delay_s)
        self.seen.append(tuple(views))
        if self.fail:
            raise RuntimeError("the estimator was told to fail")
        where = views[0].fixed_from_camera
        used = tuple(
            PersonView(
                view.calibration.name,
                view.calibration.frame_id,
                np.array([10.0, 20.0, 50.0, 90.0]),
                np.array([0.9, 0.1, -0.1]),
                1.5,
            )
            for view in views
        )
        people = tuple(
            replace(person if where is None else moved(self.body, person, where), views=used) for person in self.people
        )
        return People(views[0].stamp_s, people, tuple(view.calibration.name for view in views), iterations=5)

    def reset(self) -> None:
        self.resets += 1

    def set_shape(self, person_id: int, betas) -> None:
        if person_id not in (-1, *(person.id for person in self.people)):
            raise ValueError(f"there is no person {person_id}")
        self.shapes[person_id] = betas


def fake_model(people: int = 1, vertices: int = 96, **options) -> Model:
    body = small_body(vertices)
    estimator = FakeEstimator(
        body, tuple(person_in_camera(body, number, seed=number) for number in range(1, people + 1)), **options
    )
    return Model(estimator, body, "cpu", "fake", note_on_real_cameras="these numbers mean nothing")


def stamp_of(nanoseconds: int):
    from builtin_interfaces.msg import Time

    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def image_message(
    stamp_ns: int, width: int = 64, height: int = 48, encoding: str = "rgb8", frame_id: str = "camera_optical"
):
    """A grey image, filled with 100."""
    from sensor_msgs.msg import Image

    channels = {"rgb8": 3, "bgr8": 3, "mono8": 1}.get(encoding, 3)
    message = Image(width=width, height=height, encoding=encoding, step=width * channels)
    message.header.stamp, message.header.frame_id = stamp_of(stamp_ns), frame_id
    message.data = array.array("B", bytes([100]) * (width * height * channels))
    return message


def info_message(stamp_ns: int, width: int = 64, height: int = 48, focal_px: float = 60.0, frame_id: str = "camera_optical"):
    from sensor_msgs.msg import CameraInfo

    message = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [focal_px, 0.0, width / 2, 0.0, focal_px, height / 2, 0.0, 0.0, 1.0]
    message.header.stamp, message.header.frame_id = stamp_of(stamp_ns), frame_id
    return message


def start_kind(bench, kind: str, eyes=None, **parameters):
    """The node `refit`, `refit_edge` or `refit_fusion` of a bench."""
    from types import SimpleNamespace

    from rclpy.parameter import Parameter

    from refit_ros.node.edge_node import EdgeNode
    from refit_ros.node.evidence_messages import Kind
    from refit_ros.node.fusion_node import FusionNode

    if kind == "refit":
        return bench.start(fake_model(), **parameters)
    load = {
        "edge": lambda *_: (eyes or SimpleNamespace(searches=lambda search: False), Kind("keypoints", "fake"), "cpu"),
        "fusion": lambda *_: (fake_model(), Kind("keypoints", "fake")),
    }[kind]
    overrides = [Parameter(name, value=value) for name, value in {"fixed_frame": "map", **parameters}.items()]
    bench.node = {"edge": EdgeNode, "fusion": FusionNode}[kind](
        load=load, context=bench.context, parameter_overrides=overrides
    )
    assert bench.node.start()
    bench._spin(bench.node)
    return bench.node

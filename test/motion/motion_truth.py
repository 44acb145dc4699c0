"""A person of the embedded body who moves smoothly, with the sightings that a perfect estimate would give."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from refit_ros.core.body import Body, load_body
from refit_ros.estimation.types import People, Person, PersonView
from refit_ros.motion.types import Sighting

RATE_HZ = 30.0
FRAMES = 12
START_NS, STEP_NS = 1_700_000_000_000_000_000, 33_333_333
UPRIGHT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # z-up world from SMPL's rest pose: the face towards +x


@lru_cache(maxsize=1)
def body() -> Body:
    return load_body()


def moving(frames: int = FRAMES, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """betas (10,), poses (T, 24, 3) rad, transl (T, 3) m: every joint turns evenly about an axis of its own."""
    rng = np.random.default_rng(seed)
    betas, start, change = rng.normal(0, 1, 10), rng.normal(0, 0.3, (24, 3)), rng.normal(0, 0.4, (24, 3))
    part = np.linspace(0, 1, frames)
    first = Rotation.from_rotvec(start)
    poses = np.array([(first * Rotation.from_rotvec(change * each)).as_rotvec() for each in part])
    poses[:, 0] = (Rotation.from_matrix(UPRIGHT) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    transl = np.array([1.0, -2.0, 0.9]) + part[:, None] * np.array([0.8, 0.3, 0.05])
    return betas, poses, transl


def joints_of(betas: np.ndarray, poses: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(T, 24, 3) m."""
    return posed(body().joints, betas, poses, transl)


def vertices_of(betas: np.ndarray, poses: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(T, V, 3) m."""
    return posed(body().vertices, betas, poses, transl)


def posed(function, betas, poses, transl) -> np.ndarray:
    rotmats = Rotation.from_rotvec(np.reshape(poses, (-1, 3))).as_matrix().reshape(len(poses), 24, 3, 3)
    shapes = np.broadcast_to(betas, (len(poses), 10))
    return function(*(torch.tensor(np.array(each), dtype=torch.float32) for each in (shapes, rotmats, transl))).numpy()


def sightings(frames: int = FRAMES, seed: int = 3, person: int = 4, times_s: np.ndarray | None = None) -> list[Sighting]:
    betas, poses, transl = moving(frames, seed)
    times_s = 100 + np.arange(frames) / RATE_HZ if times_s is None else times_s
    joints = joints_of(betas, poses, transl)
    return [
        Sighting(time, person, 0.8, betas, pose[0], pose[1:].reshape(-1), place, at, "map", False, "refit_ros")
        for time, pose, place, at in zip(times_s, poses, transl, joints)
    ]


def person(index: int, number: int = 4, frame_id: str = "left_optical") -> Person:
    """The same of one frame as the estimator gives it, seen by a camera `left`."""
    each = _cached()[index]
    view = PersonView("left", frame_id, np.array([10.0, 20, 110, 220]), np.array([1.0, 0, 0]), 2.0)
    return Person(
        id=number,
        confidence=each.confidence,
        betas=each.betas,
        global_orient=each.global_orient,
        body_pose=each.body_pose.reshape(23, 3),
        transl=each.transl,
        joints=each.joints,
        joint_rotmats=np.tile(np.eye(3), (24, 1, 1)),
        joint_stddev=np.full(24, 0.02),
        joint_in_image=np.ones(24, bool),
        views=(view,),
        root_covariance=COVARIANCE,
        root_velocity=np.array([0.6, 0.8, 0.0]),
    )


COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.02, 0.0], [0.0, 0.0, 0.0025]])  # m^2 of the pelvis


@lru_cache(maxsize=1)
def _cached() -> tuple[Sighting, ...]:
    return tuple(sightings())


def people_message(types, people: list[Person], index: int = 0, frame_id: str = "map", body_model: str = "refit_ros"):
    """SmplArray of a camera `left` of 640 x 480 px, as the node makes it; `index`-th of 30 a second."""
    from refit_ros.node.conversions import smpl_array

    frame = SimpleNamespace(camera="left", calibration=SimpleNamespace(width_px=640, height_px=480))
    taken = SimpleNamespace(stamp_ns=START_NS + index * STEP_NS, spread_ns=0, frames=[frame])
    seen = People(taken.stamp_ns * 1e-9, tuple(people), ("left",))
    return smpl_array(types, seen, taken, frame_id, body_model, 42_000_000)


def people_bag(
    path: Path, frame_id: str = "map", topic: str = "/human/smpl", body_model: str = "refit_ros", cut: int | None = None
) -> Path:
    """People 4 and 9, 30 sets a second, as the node publishes them. cut: which message is cut off in its middle."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    from refit_ros.node.bag_types import make_store
    from refit_ros.node.message_types import BagTypes

    store = make_store()
    types = BagTypes(store)
    with rosbag2.Writer(path, version=9) as writer:
        connection = writer.add_connection(topic, "refit_ros/msg/SmplArray", typestore=store)
        for index in range(FRAMES):
            message = people_message(types, [person(index), person(index, 9)], index, frame_id, body_model)
            raw = types.serialize(message)
            writer.write(connection, START_NS + index * STEP_NS, raw[: len(raw) // 2] if index == cut else raw)
    return path

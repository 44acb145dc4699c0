"""What is said of people who were fitted to landmarks: `Person`s, and how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import along_the_tree, apart_either_way, around, axis_angle_from_matrix
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.core.landmarks import LANDMARK_INDEX, MIRRORED_LANDMARKS
from refit_ros.detection.landmarks import COUNT, PERSON, SAME_PERSON, Landmarks
from refit_ros.detection.rows import joined
from refit_ros.estimation.keypoints import KeypointBody
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.root import root_covariance
from refit_ros.estimation.types import Person, PersonView

FLESH = 0.04  # of a box's longer side: landmarks lie inside the body
HARDLY_SEEN, FEWEST, MARGIN = 0.1, 4, 0.06  # a visibility; landmarks that make a box; of its longer side beyond them
NEAREST_M = 0.05  # before the camera
SEEN = 0.5  # a visibility above this
PLAIN = 0.75  # a mean visibility of the limbs above this: there is no doubt that somebody is a person

# The distance within which 68 % of the joints lie, where they are seen and where they are guessed: from one camera about a
# pelvis whose own is a share of its distance, and from several, where they are seen by the square root of how many see them.
# All of it grows with how badly the body fits what was seen, in metres: of somebody cut off a share of the crop would be
# another length. Fitted to frames 0, 25, 50 and 75 of a real recording, whole and cut, and for one camera to 12, 37, 62 and
# 87 too (docs/real.md).
ONE_CAMERA_M, SEVERAL_CAMERAS_M, GUESSED_M = (0.077, 0.2), 0.058, 0.13
DEPTH_SHARE = 0.04
USUAL_MISFIT_M, LEAST_DOUBT = 0.021, 0.55  # the latter of the sigma, of who fits perfectly

# The landmark that says whether a joint is seen; none for the trunk's, which follow from hips and shoulders.
_NEAREST_LANDMARK = {"hand": "index", "foot": "big_toe", "collar": "shoulder"}
_TRUNK = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
LIMBS = [
    LANDMARK_INDEX[f"{side}_{part}"]
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("left", "right")
]


def different_people(found: Landmarks) -> np.ndarray:
    """Indices of those who are people, each of them once, the surest of those who are the same."""
    sound = (found.flag > PERSON) & np.isfinite(found.place_px).all((1, 2)) & (found.visibility.max(1, initial=0) > 0)
    kept: list[int] = []
    for index in np.argsort(-found.flag, kind="stable"):
        if sound[index] and not (_apart(found, index, kept) < SAME_PERSON).any():
            kept.append(int(index))
    return np.array(sorted(kept), int)


def seen_plainly(found: Landmarks) -> bool:
    """Whether landmarks, of one person, leave no doubt that there is one."""
    return bool(found.visibility[0, LIMBS].mean() > PLAIN)


def _apart(found: Landmarks, one: int, others: list[int]) -> np.ndarray:
    """(M,) mean distance of what is seen of one person and of others, in sizes of the larger; whichever side was taken for
    which."""
    weight = found.visibility[one] * found.visibility[others]
    return apart_either_way(found.place_px[one], found.place_px[others], weight, list(MIRRORED_LANDMARKS[:COUNT]))


def person(
    number: int,
    body: KeypointBody,
    found: Sequence[Landmarks],
    cameras: Sequence[Camera],
    pose: Pose | None = None,
    velocity_m_s: np.ndarray | None = None,
) -> Person:
    """Of landmarks (each of one person) in as many cameras; `pose`: the body's, steadied over time."""
    pose = pose or pose_of(body)
    turns, rows = axis_angle_from_matrix(pose.rotmats), CameraRows.of(cameras)
    stddev_m = _stddev_m(body, joined(found).visibility, rows)
    boxes = np.clip(published_boxes(body, rows, found), 0, np.tile(rows.size_px, 2))
    return Person(
        id=number,
        confidence=float(np.clip(np.mean([each.flag[0] * each.visibility[0].mean() for each in found]), 0, 1)),
        betas=pose.betas,
        global_orient=turns[0],
        body_pose=turns[1:],
        transl=pose.transl,
        joints=pose.joints,
        joint_rotmats=along_the_tree(pose.rotmats),
        joint_stddev=stddev_m,
        joint_in_image=np.any(rows.sees(rows.to_camera(pose.joints)), axis=0),
        views=tuple(
            PersonView(
                camera.calibration.name,
                camera.calibration.frame_id,
                boxes[view],
                body.weak_perspective[view],
                float(body.residual_px[view]),
            )
            for view, camera in enumerate(cameras)
        ),
        root_covariance=root_covariance(pose.joints[0], rows.origin_m, float(stddev_m[0])),
        root_velocity=np.zeros(3) if velocity_m_s is None else velocity_m_s,
    )


def pose_of(body: KeypointBody) -> Pose:
    return Pose(body.rotmats, body.betas, body.transl, body.joints)


def published_boxes(body: KeypointBody, cameras: CameraRows, found: Sequence[Landmarks]) -> np.ndarray:
    """(V, 4) px in each camera's raw image: the middle between the box of the fitted body and the one around its landmarks.

    Each errs by itself: a body by what it was fitted wrongly, landmarks by those that are hidden or guessed.
    """
    own = body_boxes(body, cameras)
    seen = joined(found)
    some = seen.visibility > HARDLY_SEEN
    enough = some.sum(1) >= FEWEST
    some |= ~enough[:, None]
    low = np.where(some[..., None], seen.place_px, np.inf).min(1)
    high = np.where(some[..., None], seen.place_px, -np.inf).max(1)
    theirs = _widened(np.concatenate([low, high], 1), MARGIN)
    return np.where(enough[:, None], (own + theirs) / 2, own)


def body_boxes(body: KeypointBody, cameras: CameraRows) -> np.ndarray:
    """(V, 4) px in each camera's raw image around the whole body, what is hidden of it too; may reach beyond the image."""
    points = cameras.to_camera(body.landmarks)
    points[..., 2] = np.maximum(points[..., 2], NEAREST_M)
    return _widened(around(cameras.project(points)), FLESH)


def _widened(boxes: np.ndarray, share: float) -> np.ndarray:
    """Boxes (V, 4) by a share of their longer sides on each side."""
    more = share * (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    return boxes + more * [-1, -1, 1, 1]


def _stddev_m(body: KeypointBody, visibility: np.ndarray, cameras: CameraRows) -> np.ndarray:
    """(24,) one sigma. visibility (V, 33)."""
    views = _joints_seen(visibility).sum(0)
    m_per_px = np.maximum(cameras.to_camera(body.joints[:1])[:, 0, 2], NEAREST_M) / cameras.focal_px
    doubt = np.hypot(LEAST_DOUBT, float(np.mean(body.residual_px * m_per_px)) / USUAL_MISFIT_M)
    if len(cameras) == 1:
        distance_m = float(np.linalg.norm(body.joints[0] - cameras.origin_m[0]))
        return doubt * np.hypot(np.where(views > 0, *ONE_CAMERA_M), DEPTH_SHARE * distance_m)
    return doubt * np.where(views > 1, SEVERAL_CAMERAS_M / np.sqrt(np.maximum(views, 1)), GUESSED_M)


def _joints_seen(visibility: np.ndarray) -> np.ndarray:
    """(V, 24) bool from the visibility (V, 33) of BlazePose's landmarks."""
    return visibility @ _SHARES > SEEN


def _shares() -> np.ndarray:
    """(33, 24) of each joint's visibility that each landmark's makes."""
    shares = np.zeros((COUNT, len(JOINT_NAMES)))
    for joint, name in enumerate(JOINT_NAMES):
        side, _, part = name.rpartition("_")
        landmark = f"{side}_{_NEAREST_LANDMARK.get(part, part)}" if side else "nose"
        names = (landmark,) if side or name in ("head", "neck") else _TRUNK
        shares[[LANDMARK_INDEX[each] for each in names], joint] = 1 / len(names)
    return shares


_SHARES = _shares()

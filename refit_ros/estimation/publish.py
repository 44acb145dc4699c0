"""From followed people to what the Estimator gives: smoothed, with joints, uncertainty and what each view added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from refit_ros.camera import crops
from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import axis_angle_from_matrix, clipped
from refit_ros.camera.views import Camera
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.root import root_covariance
from refit_ros.estimation.solve import FusedEstimate, Solver
from refit_ros.estimation.tracks import Track
from refit_ros.estimation.types import Person, PersonView
from refit_ros.estimation.uncertainty import joint_stddev


def publish(
    tracks: Mapping[int, Track],
    estimates: Mapping[int, FusedEstimate],
    poses: Mapping[int, Pose],
    solver: Solver,
    cameras: Sequence[Camera],
    stamp_s: float,
) -> tuple[Person, ...]:
    """`tracks` by their ids; `estimates` of this set and smoothed `poses` by the tracks' keys."""
    if not tracks:
        return ()
    rows = CameraRows.of(cameras)
    chosen = [poses[track.key] for track in tracks.values()]
    rotmats = np.array([pose.rotmats for pose in chosen])
    joints_m, turned = solver.joints(np.array([pose.betas for pose in chosen]), rotmats)
    joints_m = joints_m + np.array([pose.transl for pose in chosen])[:, None]
    in_image = rows.sees(rows.to_camera(joints_m.reshape(-1, 3))).any(0).reshape(joints_m.shape[:2])
    angles_rad = axis_angle_from_matrix(rotmats)
    people = []
    for number, ((person_id, track), pose) in enumerate(zip(tracks.items(), chosen)):
        facts = track.evidence
        unseen_s = max(0.0, stamp_s - track.pose_s)
        mine = estimates.get(track.key)
        stddev_m = joint_stddev(facts, unseen_s)
        people.append(
            Person(
                id=person_id,
                confidence=min(max(track.confidence * facts.confidence * math.exp(-unseen_s), 0.0), 1.0),
                betas=pose.betas,
                global_orient=angles_rad[number, 0],
                body_pose=angles_rad[number, 1:],
                transl=pose.transl,
                joints=joints_m[number],
                joint_rotmats=turned[number],
                joint_stddev=stddev_m,
                joint_in_image=in_image[number],
                views=_views(mine, cameras) if mine else (),
                root_covariance=root_covariance(joints_m[number, 0], facts.cameras_m, float(stddev_m[0])),
                root_velocity=track.root.velocity_m_s.copy(),
            )
        )
    return tuple(people)


def _views(solved: FusedEstimate, cameras: Sequence[Camera]) -> tuple[PersonView, ...]:
    views = []
    for one, residual in zip(solved.views, solved.fused.residual_px):
        calibration = cameras[one.crop.camera].calibration
        half = one.crop.square.side_px / 2 / crops.BOX_MARGIN
        box = crops.box_in_raw_pixels(
            np.concatenate([one.crop.square.center_px - half, one.crop.square.center_px + half]), calibration
        )
        views.append(
            PersonView(
                calibration.name,
                calibration.frame_id,
                clipped(box, calibration.width_px, calibration.height_px),
                one.weak_perspective,
                float(residual),
            )
        )
    return tuple(views)

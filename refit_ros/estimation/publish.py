"""From followed people to what the Estimator gives: steadied, with joints, uncertainty and what each view added."""

from __future__ import annotations

import numpy as np

from refit_ros.camera import crops
from refit_ros.camera.geometry import along_the_tree, axis_angle_from_matrix, clipped
from refit_ros.camera.views import Camera
from refit_ros.estimation.evidence import Evidence
from refit_ros.estimation.root import root_covariance
from refit_ros.estimation.solve import Pose, Solved, Solver
from refit_ros.estimation.track import Track
from refit_ros.estimation.types import Person, PersonView
from refit_ros.estimation.uncertainty import joint_stddev


def publish(
    tracks: list[Track],
    solved: dict[int, Solved],
    steady: list[Pose],
    known: list[Evidence],
    solver: Solver,
    cameras: list[Camera],
    stamp_s: float,
) -> tuple[Person, ...]:
    """Everybody who has a number; `solved` by identity of the track, `steady` and `known` one for each track."""
    if not tracks:
        return ()
    relative = solver.joints(np.stack([pose.betas for pose in steady]), np.stack([pose.rotmats for pose in steady]))
    people = []
    for track, pose, facts, joints in zip(tracks, steady, known, relative):
        joints, turns = joints + pose.transl, axis_angle_from_matrix(pose.rotmats)
        in_image = np.zeros(24, bool)
        for camera in cameras:
            in_image |= camera.calibration.sees(camera.to_camera(joints))
        unseen_s = max(0.0, stamp_s - track.stamp_s)
        mine = solved.get(id(track))
        stddev_m = joint_stddev(facts, unseen_s)
        people.append(
            Person(
                id=track.number,
                confidence=float(np.clip(track.confidence * facts.confidence * np.exp(-unseen_s), 0, 1)),
                betas=pose.betas,
                global_orient=turns[0],
                body_pose=turns[1:],
                transl=pose.transl,
                joints=joints,
                joint_rotmats=along_the_tree(pose.rotmats),
                joint_stddev=stddev_m,
                joint_in_image=in_image,
                views=_views(mine, cameras) if mine else (),
                root_covariance=root_covariance(joints[0], facts.cameras_m, float(stddev_m[0])),
                root_velocity=track.velocity.copy(),
            )
        )
    return tuple(people)


def _views(solved: Solved, cameras: list[Camera]) -> tuple[PersonView, ...]:
    views = []
    for one, residual in zip(solved.own, solved.fused.residual_px):
        calibration = cameras[one.look.camera].calibration
        half = one.look.square.side_px / 2 / crops.BOX_MARGIN
        box = crops.box_in_raw_pixels(
            np.concatenate([one.look.square.center_px - half, one.look.square.center_px + half]), calibration
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

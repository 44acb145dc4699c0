"""A motion in AMASS's layout (https://amass.is.tue.mpg.de): .npz of SMPL-H's parameters, z up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from refit_ros.core.plain_files import whole_file
from refit_ros.motion.types import Motion

POSES, BETAS, DMPLS = 156, 16, 8  # SMPL-H: 52 joints x 3, sixteen shapes, eight soft-tissue shapes
SHARED = 66  # of the pose, pelvis and 21 joints, are the same joints in SMPL and in SMPL-H


def amass_arrays(motion: Motion) -> dict[str, np.ndarray]:
    """AMASS's own keys, and beside them SMPL's whole pose: SMPL-H has fingers in place of SMPL's two hand joints.

    trans (T, 3) m, poses (T, 156) rad, betas (16,), dmpls (T, 8) of zeros, gender, mocap_framerate; smpl_poses (T, 72) rad,
    joints (T, 24, 3) m as estimated, confidence (T,), start_s, body_model (which `betas` belong to), frame_id, id.
    """
    frames = len(motion.poses)
    smpl = motion.poses.reshape(frames, -1)
    poses, betas = np.zeros((frames, POSES)), np.zeros(BETAS)
    poses[:, :SHARED] = smpl[:, :SHARED]
    betas[: len(motion.betas)] = motion.betas
    return dict(
        trans=motion.transl,
        poses=poses,
        betas=betas,
        dmpls=np.zeros((frames, DMPLS)),
        gender=np.array("neutral"),
        mocap_framerate=np.float64(motion.rate_hz),
        smpl_poses=smpl,
        joints=motion.joints,
        confidence=motion.confidence,
        start_s=np.float64(motion.start_s),
        body_model=np.array(motion.body_model),
        frame_id=np.array(motion.frame_id),
        id=np.int64(motion.id),
    )


def write_amass(motion: Motion, path: Path) -> None:
    with whole_file(path) as file:
        np.savez(file, **amass_arrays(motion))

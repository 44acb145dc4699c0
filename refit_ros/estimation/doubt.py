"""What not to believe: views that show somebody else, places nobody could have got to, people who are none."""

from __future__ import annotations

import numpy as np

from refit_ros.camera.geometry import size_px
from refit_ros.camera.views import Camera
from refit_ros.estimation.fuse import fuse
from refit_ros.estimation.solve import Pose, Solved, off_by

BAD_RESIDUAL = 0.06  # of the person's size in the picture
BAD_INNOVATION = 0.25  # likewise, from where the person was expected
TIMES_OTHERS = 2.5  # by this factor a doubtful view stands out, or things are better without it
JUMP_M, JUMP_M_S = 0.18, 1.0  # farther than this from the prediction, plus so much for each second, nobody gets
WANDERS_M, WANDERS_M_S = 0.10, 1.0  # farther than this people are seldom off, and what is none is often
WANDERS_DEPTH = 0.15  # of the distance, along the ray of a single camera, does not count
WRITHES_M, WRITHES_M_S = 0.05, 0.8  # likewise the joints about the pelvis, on average
NEWCOMER_M_S = 2.5  # instead, for somebody whose velocity is not known yet


def doubtful_view(person: Solved, expected: Pose | None, cameras: list[Camera]) -> int | None:
    """The position in `person.own` of the view that should not have a say, or None.

    Of three views and more it is the one without which the others agree. Of two either could be wrong, so it is the one
    that saw the person elsewhere than he was expected.
    """
    count = len(person.own)
    if count < 2 or (count == 2 and expected is None):
        return None
    size = size_px(np.stack([one.joints_px for one in person.own]))
    seen_by = [cameras[one.look.camera] for one in person.own]
    if count == 2:
        off = [off_by(one, expected, camera) for one, camera in zip(person.own, seen_by)]
        worst = int(np.argmax(off))
        return worst if off[worst] > BAD_INNOVATION and off[worst] > TIMES_OTHERS * off[1 - worst] else None
    together = float((person.fused.residual_px / size).max())
    if together < BAD_RESIDUAL:
        return None
    joints = person.pose.joints - person.fused.transl
    without = np.zeros(count)
    for index in range(count):
        rest = [other for other in range(count) if other != index]
        fused = fuse(joints, [person.own[other].joints_px for other in rest], [seen_by[other] for other in rest])
        without[index] = (fused.residual_px / size[rest]).max()
    worst = int(np.argmin(without))
    return worst if TIMES_OTHERS * without[worst] < together else None


def is_jump(person: Solved, expected: Pose, step_s: float, cameras: list[Camera]) -> bool:
    """Whether nobody could have got from where he was expected to this place in `step_s` seconds.

    Along the ray of a single camera the place is uncertain, so there only the way across it counts.
    """
    return _away_m(person, expected, cameras, np.inf) > JUMP_M + JUMP_M_S * step_s


def wanders(person: Solved, expected: Pose, step_s: float, newcomer: bool, cameras: list[Camera]) -> bool:
    """Whether a body lies farther from where it was expected, or in another pose, than people's usually do.

    What the network makes of a piece of furniture changes from set to set, its place by decimetres to metres and its
    joints by a decimetre; people walk on, and even a single camera's estimates of them change little in a fraction of a
    second.
    """
    joints, before = person.pose.joints, expected.joints
    writhed_m = np.linalg.norm(joints - joints[0] - before + before[0], axis=-1).mean()
    if writhed_m > WRITHES_M + WRITHES_M_S * step_s:
        return True
    speed_m_s = NEWCOMER_M_S if newcomer else WANDERS_M_S
    return _away_m(person, expected, cameras, WANDERS_DEPTH) > WANDERS_M + speed_m_s * step_s


def _away_m(person: Solved, expected: Pose, cameras: list[Camera], depth_share: float) -> float:
    """From the expected pelvis to this one; of a single camera without what lies along its ray, up to a share of the way."""
    away = person.pose.joints[0] - expected.joints[0]
    if len(person.own) == 1:
        ray = person.pose.joints[0] - cameras[person.own[0].look.camera].fixed_from_camera[:3, 3]
        distance_m = max(float(np.linalg.norm(ray)), 1e-6)
        most_m = depth_share * distance_m
        away = away - np.clip(float(away @ ray) / distance_m, -most_m, most_m) * ray / distance_m
    return float(np.linalg.norm(away))

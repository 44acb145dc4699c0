"""Views that show somebody else, or nobody: found by what they disagree with, and left out of a second solution."""
from __future__ import annotations

import numpy as np

from refit_ros.people.fuse import fuse
from refit_ros.people.solve import Pose, Solved
from refit_ros.people.views import Camera

BAD_RESIDUAL = 0.06    # of the person's size in the picture
BAD_INNOVATION = 0.25  # likewise, from where the person was expected
TIMES_OTHERS = 2.5     # by this factor a doubtful view stands out, or things are better without it
JUMP_M, JUMP_M_S = 0.18, 1.0  # farther than this from the prediction, plus so much for each second, nobody gets


def doubtful_view(person: Solved, expected: Pose | None, cameras: list[Camera]) -> int | None:
    """The position in `person.own` of the view that should not have a say, or None.

    Of three views and more it is the one without which the others agree. Of two either could be wrong, so it is the one
    that saw the person elsewhere than he was expected.
    """
    count = len(person.own)
    if count < 2 or (count == 2 and expected is None):
        return None
    size = np.array([max(np.ptp(one.joints_px, axis=0).max(), 8.0) for one in person.own])
    seen_by = [cameras[one.look.camera] for one in person.own]
    if count == 2:
        off = np.zeros(2)
        for index, (one, camera) in enumerate(zip(person.own, seen_by)):
            where = camera.calibration.project_square(camera.to_camera(expected.joints))
            off[index] = np.linalg.norm(where - one.joints_px, axis=-1).mean() / size[index]
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
    away = person.pose.joints[0] - expected.joints[0]
    if len(person.own) == 1:
        ray = person.pose.joints[0] - cameras[person.own[0].look.camera].fixed_from_camera[:3, 3]
        ray = ray / max(float(np.linalg.norm(ray)), 1e-6)
        away = away - (away @ ray) * ray
    return bool(np.linalg.norm(away) > JUMP_M + JUMP_M_S * step_s)

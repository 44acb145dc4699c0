"""From sightings to motions: by person, cut at long gaps, at an even rate, z up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.motion.skeleton import Z_UP_FROM_OPTICAL, rest_bones, turned
from refit_ros.motion.types import Motion, Sighting

LONGEST_GAP_S = 0.5  # longer ones are not filled: nobody knows what was done meanwhile
EVEN_WITHIN = 0.02  # of an interval: frames that lie so close to an even grid are taken as they are


def motions_of(
    sightings: Iterable[Sighting], rate_hz: float | None = None, longest_gap_s: float = LONGEST_GAP_S
) -> list[Motion]:
    """Everybody's motion, in the order in which they came; of a single frame none is made.

    rate_hz: of the frames that come out; None: the median rate of those that came in.
    """
    people: dict[tuple[int, int], list[Sighting]] = {}
    for sighting in sightings:
        people.setdefault((sighting.sequence, sighting.id), []).append(sighting)
    several = len({sequence for sequence, _ in people}) > 1
    # A recording may begin with somebody whom no camera sees just then, and of whose frame so nothing is known yet.
    optical_frames = {each.frame_id for seen in people.values() for each in seen if each.optical}
    result = []
    for (sequence, person), seen in people.items():
        name = f"sequence_{sequence + 1}_person_{person}" if several else f"person_{person}"
        takes = [_in_order(take) for take in _takes(seen, longest_gap_s)]
        parts = [part for take in takes for part in _without_gaps(take, longest_gap_s) if len(part) > 1]
        for index, part in enumerate(parts):
            name_of_part = name + (f"_part_{index + 1}" if len(parts) > 1 else "")
            result.append(_motion(name_of_part, part, part[0].frame_id in optical_frames, rate_hz))
    return result


def _takes(seen: Sequence[Sighting], longest_gap_s: float) -> list[list[Sighting]]:
    """Cut where time goes back, as when a bag is played again: of one time there would be two who have the same id."""
    takes: list[list[Sighting]] = []
    newest_s = 0.0
    for each in seen:
        if takes and newest_s - each.time_s <= longest_gap_s:
            takes[-1].append(each)
            newest_s = max(newest_s, each.time_s)
        else:
            takes.append([each])
            newest_s = each.time_s
    return takes


def _in_order(seen: list[Sighting]) -> list[Sighting]:
    """By time, each time once."""
    times: dict[float, Sighting] = {}
    for each in seen:
        times.setdefault(each.time_s, each)
    return [times[time] for time in sorted(times)]


def _without_gaps(seen: Sequence[Sighting], longest_gap_s: float) -> list[list[Sighting]]:
    """Cut at gaps, and where the frame or the body is another one."""
    parts: list[list[Sighting]] = []
    for each in seen:
        last = parts[-1][-1] if parts else None
        same = last is not None and (last.frame_id, last.body_model) == (each.frame_id, each.body_model)
        if last is not None and same and each.time_s - last.time_s <= longest_gap_s:
            parts[-1].append(each)
        else:
            parts.append([each])
    return parts


def _motion(name: str, seen: list[Sighting], optical: bool, rate_hz: float | None) -> Motion:
    times_s = np.array([each.time_s for each in seen])
    poses = np.array([np.concatenate([each.global_orient, each.body_pose]) for each in seen], float)
    poses = poses.reshape(len(seen), len(JOINT_NAMES), 3)
    joints = np.array([each.joints for each in seen], float)
    # J0 and bones are linear in the shape: those of the mean shape are their means.
    root = np.mean([each.joints[0] - np.asarray(each.transl, float) for each in seen], axis=0)
    rest = _along_tree(root, rest_bones(poses, joints).mean(axis=0))
    if optical:
        poses, joints = turned(poses, joints, Z_UP_FROM_OPTICAL)
    confidence = np.array([each.confidence for each in seen], float)
    rate = rate_hz or _rate_hz(times_s)
    poses, joints, confidence = _at_even_rate(times_s, rate, poses, joints, confidence)
    return Motion(
        name=name,
        id=seen[0].id,
        rate_hz=rate,
        start_s=float(times_s[0]),
        betas=np.mean([each.betas for each in seen], axis=0),
        rest_joints=rest,
        poses=poses,
        transl=joints[:, 0] - rest[0],
        joints=joints,
        confidence=confidence,
        body_model=seen[0].body_model,
        frame_id=seen[0].frame_id,
    )


def _rate_hz(times_s: np.ndarray) -> float:
    """By the median step; where that is the whole span's but for how times are rounded, by the span.

    Seconds since 1970 are rounded to 0.2 us: what a single step is wrong by, thousands of frames add up.
    """
    step_s, span_s = float(np.median(np.diff(times_s))), float(times_s[-1] - times_s[0])
    even_s = span_s / max(round(span_s / step_s), 1)
    return 1 / (even_s if abs(even_s - step_s) <= 2 * np.spacing(times_s[-1]) else step_s)


def _along_tree(root: np.ndarray, bones: np.ndarray) -> np.ndarray:
    rest = np.zeros_like(bones)
    for joint, parent in enumerate(PARENTS):
        rest[joint] = root if parent < 0 else rest[parent] + bones[joint]
    return rest


def _at_even_rate(
    times_s: np.ndarray, rate_hz: float, poses: np.ndarray, joints: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places between frames on a line, rotations on the shortest arc; frames that are even already stay as they are."""
    wanted_s = times_s[0] + np.arange(int((times_s[-1] - times_s[0]) * rate_hz + EVEN_WITHIN) + 1) / rate_hz
    if len(wanted_s) == len(times_s) and np.abs(wanted_s - times_s).max() * rate_hz <= EVEN_WITHIN:
        return poses, joints, confidence
    inside_s = np.clip(wanted_s, times_s[0], times_s[-1])
    index = np.clip(np.searchsorted(times_s, inside_s, side="right") - 1, 0, len(times_s) - 2)
    part = (inside_s - times_s[index]) / (times_s[index + 1] - times_s[index])
    new_joints = joints[index] + (joints[index + 1] - joints[index]) * part[:, None, None]
    new_confidence = np.minimum(confidence[index], confidence[index + 1])
    new_poses = np.empty((len(wanted_s), *poses.shape[1:]))
    for joint in range(poses.shape[1]):
        new_poses[:, joint] = Slerp(times_s, Rotation.from_rotvec(poses[:, joint]))(inside_s).as_rotvec()
    return new_poses, new_joints, new_confidence

"""How far what the node said lies from what the synthetic cameras know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Means over all matched pairs of an estimate and a true person; NaN without any."""

    pairs: int
    missed: int  # true people, in view, without an estimate
    extra: int  # estimates of nobody
    id_switches: int  # a true person's estimate has another id than the time before
    mpjpe_mm: float  # joints, both pelvises at the origin
    pa_mpjpe_mm: float  # joints, after the best similarity transform
    pelvis_error_mm: float  # the place itself, in the fixed frame


@dataclass(frozen=True)
class Body:
    """One person of a message, in the frame that the comparison is made in."""

    id: int
    joints_m: np.ndarray  # (24, 3)
    in_view: bool  # at least half of the joints in an image


def bodies_from(message, into_frame_from_message: np.ndarray) -> list[Body]:
    """The people of a refit_ros/SmplArray, carried over by a (4, 4) transform."""
    turn, place = into_frame_from_message[:3, :3], into_frame_from_message[:3, 3]
    return [
        Body(
            person.id,
            np.array([[joint.x, joint.y, joint.z] for joint in person.joints]) @ turn.T + place,
            in_view=sum(person.joint_in_image) >= 12,
        )
        for person in message.people
    ]


def compare(pairs: Iterable[tuple[list[Body], list[Body]]]) -> Comparison:
    """Over (estimates, truth) of each moment, in order of time."""
    import torch

    from refit_ros.evaluation.matching import Identities
    from refit_ros.evaluation.metrics import aligned_joint_error, joint_error

    identities, matched = Identities(), []
    for estimates, truth in pairs:
        found = identities.step(
            [body.id for body in estimates],
            [body.joints_m for body in estimates],
            [body.id for body in truth],
            [body.joints_m for body in truth],
            [body.in_view for body in truth],
            seconds=1.0,
        )  # so that sets are counted
        matched += [(estimates[row], truth[column]) for row, column in found]
    counts = round(identities.missed_s), round(identities.extra_s), identities.switches
    if not matched:
        return Comparison(0, *counts, *(float("nan"),) * 3)
    joints = torch.from_numpy(np.stack([estimate.joints_m for estimate, _ in matched]))
    true_joints = torch.from_numpy(np.stack([true.joints_m for _, true in matched]))
    return Comparison(
        len(matched),
        *counts,
        mpjpe_mm=1000 * joint_error(joints, true_joints).mean().item(),
        pa_mpjpe_mm=1000 * aligned_joint_error(joints, true_joints).mean().item(),
        pelvis_error_mm=1000 * (joints[:, 0] - true_joints[:, 0]).norm(dim=-1).mean().item(),
    )


def world_from_message_frame(frame_id: str, world: str, world_from_frame: Mapping[str, np.ndarray]) -> np.ndarray:
    """(4, 4). Raises ValueError where nothing is known of the frame."""
    if frame_id == world:
        return np.eye(4)
    if frame_id not in world_from_frame:
        raise ValueError(f"/human/smpl is in the frame '{frame_id}', and no static transform from '{world}' to it is known")
    return world_from_frame[frame_id]

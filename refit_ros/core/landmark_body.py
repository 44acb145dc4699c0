"""A body's joints and landmarks without its mesh, many bodies at once.

As `Body.markers_and_joints`, to rounding, several times as fast on a CPU: the bodies are the last axis of every tensor,
so that a product of small matrices is a few long multiplications and not thousands of short calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from refit_ros.core.body import Body
from refit_ros.core.joints import ABOVE, JOINT_INDEX, PARENTS
from refit_ros.core.landmarks import LANDMARK_NAMES, landmark_mixture
from refit_ros.core.precision import in_float32


@dataclass(frozen=True)
class PosedLandmarks:
    """B bodies' landmarks and joints, and how each landmark's neighbourhood is turned."""

    landmarks_m: Tensor  # (B, K, 3), in the order of LANDMARK_NAMES
    joints_m: Tensor  # (B, 24, 3)
    frames: Tensor  # (B, K, 3, 3) of each landmark's carrier, see `_carriers`


class LandmarkBody(nn.Module):
    """A body's landmarks, posed without its mesh. Moved with the network, never saved with it."""

    weights: Tensor  # (K, 24 + M): of joints and points
    joint_template: Tensor  # (24, 3)
    joint_shapes: Tensor  # (72, 10)
    point_template: Tensor  # (M, 3)
    point_shapes: Tensor  # (3 M, 10)
    point_poses: Tensor  # (3 M, 207)
    point_weights: Tensor  # (M, 24)
    carriers: Tensor  # (K,)

    def __init__(self, body: Body) -> None:
        super().__init__()
        vertices, weights = landmark_mixture(body.arrays)
        marked = body.with_markers(vertices)
        for name, value in {
            "weights": torch.from_numpy(weights).to(body.v_template.device),
            "joint_template": marked.joint_template,
            "joint_shapes": marked.joint_shapes.flatten(0, 1),
            "point_template": marked.marker_template,
            "point_shapes": marked.marker_shapedirs.flatten(0, 1),
            "point_poses": marked.marker_posedirs,
            "point_weights": marked.marker_weights,
            "carriers": torch.tensor(_carriers()),
        }.items():
            self.register_buffer(name, value.detach().clone().to(body.v_template.device).contiguous(), persistent=False)

    def forward(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `Body.joints` -> landmarks (B, K, 3) m in the order of LANDMARK_NAMES, joints (B, 24, 3) m."""
        posed = self.posed(betas, rotmats, transl)
        return posed.landmarks_m, posed.joints_m

    @in_float32
    def rest_joints(self, betas: Tensor) -> Tensor:
        """betas (B, 10) -> joints of the rest pose (B, 24, 3) m."""
        return self._rest(betas).permute(2, 1, 0)

    @in_float32
    def joints(self, betas: Tensor, rotmats: Tensor) -> Tensor:
        """As `Body.joints`."""
        return _chain(rotmats.permute(2, 3, 1, 0), self._rest(betas))[1].permute(2, 1, 0)

    @in_float32
    def posed(self, betas: Tensor, rotmats: Tensor, transl: Tensor | None = None) -> PosedLandmarks:
        """betas (B, 10), rotmats (B, 24, 3, 3), transl (B, 3) m."""
        turns = rotmats.permute(2, 3, 1, 0)
        rest = self._rest(betas)
        world, joints = _chain(turns, rest)
        moved = joints - _carried(world, rest)
        blended = self.point_weights @ torch.cat((world.flatten(0, 1), moved))  # (12, M, B)
        identity = torch.eye(3, dtype=rotmats.dtype, device=rotmats.device)
        feature = (rotmats[:, 1:] - identity).flatten(1)
        points = (self.point_shapes @ betas.T + self.point_poses @ feature.T).unflatten(0, (-1, 3)).transpose(0, 1)
        points = points + self.point_template.T[..., None]  # (3, M, B)
        points = _carried(blended[:9].unflatten(0, (3, 3)), points) + blended[9:]
        landmarks = self.weights @ torch.cat((joints, points), dim=1)
        if transl is not None:
            landmarks, joints = (value + transl.T[:, None] for value in (landmarks, joints))
        return PosedLandmarks(
            landmarks.permute(2, 1, 0), joints.permute(2, 1, 0), world[:, :, self.carriers].permute(3, 2, 0, 1)
        )

    def _rest(self, betas: Tensor) -> Tensor:
        """(3, 24, B)"""
        shaped = (self.joint_shapes @ betas.T).unflatten(0, (-1, 3)).transpose(0, 1)
        return shaped + self.joint_template.T[..., None]


def _chain(turns: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """turns (3, 3, 24, B) relative to the parents, rest (3, 24, B) -> turns and places in the body's frame.

    Each round takes every joint's motion twice as far up the tree (`joints.ABOVE`): five short operations each.
    """
    bone = torch.cat((rest[:, :1], rest[:, 1:] - rest[:, list(PARENTS[1:])]), dim=1)
    motion = torch.cat((turns, bone[:, None]), dim=1)  # (3, 4, 24, B)
    still = torch.eye(3, 4, dtype=turns.dtype, device=turns.device)[..., None, None].expand(-1, -1, -1, turns.shape[3])
    motion = torch.cat((motion, still), dim=2)  # where the tree ends nothing is moved
    last_row = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=turns.dtype, device=turns.device)[:, None, None]
    for above in ABOVE:
        left = motion[:, :, above]
        motion = torch.addcmul(_product(left[:, :3], motion), left[:, 3:], last_row)
    return motion[:, :3, :-1], motion[:, 3, :-1]


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Matrices (3, 3, ...) times matrices (3, n, ...)."""
    result = left[:, None, 0] * right[None, 0]
    for middle in (1, 2):
        result = torch.addcmul(result, left[:, None, middle], right[None, middle])
    return result


def _carried(left: Tensor, points: Tensor) -> Tensor:
    """Matrices (3, 3, ...) times points (3, ...)."""
    return torch.addcmul(torch.addcmul(left[:, 0] * points[0], left[:, 1], points[1]), left[:, 2], points[2])


_TURNED_BY = {  # the joint whose turn moves a landmark most
    "shoulder": "collar",
    "elbow": "shoulder",
    "wrist": "elbow",
    **dict.fromkeys(("pinky", "index", "thumb"), "wrist"),
    "knee": "hip",
    "ankle": "knee",
    **dict.fromkeys(("heel", "big_toe", "small_toe"), "ankle"),
}


def _carriers() -> list[int]:
    """(K,) the joint in whose frame each landmark's error is, but for a factor, the change of the rotation that mends it."""
    result = []
    for name in LANDMARK_NAMES:
        side, _, part = name.partition("_")
        turning = f"{side}_{_TURNED_BY[part]}" if part in _TURNED_BY else "pelvis" if "hip" in name else "head"
        result.append(max(PARENTS[JOINT_INDEX[turning]], 0))
    return result

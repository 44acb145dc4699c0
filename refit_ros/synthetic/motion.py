"""People moving through a world whose floor is z = 0: smooth, and with feet that stay where they stand.

`sample_poses` gives single poses; a `Motion` is one person's sequence, of which any moment can be asked.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from math import cos, pi, radians, sin

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.joints import JOINT_INDEX as J
from refit_ros.synthetic.anatomy import Angles, rotmats_from_angles, turn, zero_angles
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.pose_prior import PRIORS, sample_pose_rotmats, sample_poses, walking_legs, with_arms

__all__ = ["KINDS", "Frames", "Motion", "Path", "sample_pose_rotmats", "sample_poses"]

KINDS = ("walk", "stand", "gesture", "reach", "sit", "crouch", "hug")
RATE_HZ = 100.0  # at which the place on the floor is integrated
CONTACT_M = 0.015  # a foot that is lower than this stands
_SOFTNESS_M = 0.004  # over which support passes from one point of the soles to the next


@dataclass(frozen=True)
class Path:
    """Where somebody begins, and how they go: straight on, then round by `turn_rad`, again and again."""

    start_m: tuple[float, float] = (0.0, 0.0)
    heading_rad: float = 0.0  # 0: along the world's x
    straight_s: float = 0.0
    turn_s: float = 1.0
    turn_rad: float = 0.0

    def heading(self, times_s: Tensor) -> Tensor:
        lap = self.straight_s + self.turn_s
        done = torch.floor(times_s / lap)
        turning = ((times_s - done * lap - self.straight_s) / self.turn_s).clamp(0, 1)
        return self.heading_rad + self.turn_rad * (done + turning)


@dataclass(frozen=True)
class Frames:
    """T moments of one person in the world (z up, m)."""

    rotmats: Tensor  # (T, 24, 3, 3): global orientation in the world, then each joint relative to its parent
    transl: Tensor  # (T, 3) as smplx adds it
    contact: Tensor  # (T, 2) bool: the left, the right foot stands on the floor


class Motion:
    """One person's sequence; times beyond `duration_s` run back and forth.

    The root moves so that the lowest points of the soles do not: where they would slide, the body is carried instead.
    """

    def __init__(
        self,
        body: Body,
        betas: Tensor,
        kind: str = "walk",
        path: Path = Path(),
        seed: int = 0,
        cadence_hz: float = 0.9,
        stride: float = 1.0,
        duration_s: float = 40.0,
    ):
        if kind not in KINDS:
            raise ValueError(f"motion '{kind}' is unknown; there are {', '.join(KINDS)}")
        self.body, self.kind, self.path, self.duration_s = copy.copy(body), kind, path, duration_s
        self.body.exact_joints = False  # to 1e-6 m, and quicker
        self.betas = betas.reshape(1, 10).float()
        self.cadence_hz, self.stride = cadence_hz, stride
        generator = torch.Generator().manual_seed(seed * 7919 + 17)
        dice = Dice(generator)
        self._phase = float(dice.uniform(0, 2 * pi, 1))
        self._waves = dice.normal(6, 3)
        self._ends = _two_poses(dice, kind)
        rest = body.rest_joints(self.betas)[0]
        shaped = body.v_template + body.shapedirs @ self.betas[0]
        self._soles = [(joint, shaped[vertices] - rest[joint]) for joint, vertices in _sole_points(body)]
        self._pelvis = rest[0]
        self._integrate()

    def at(self, times_s: Tensor | np.ndarray | list[float]) -> Frames:
        """The moments (T,) s."""
        times = torch.as_tensor(times_s, dtype=torch.float32).reshape(-1)
        folded = torch.remainder(times, 2 * self.duration_s)
        folded = torch.minimum(folded, 2 * self.duration_s - folded)
        rotmats = self._rotmats(folded)
        exact = folded * RATE_HZ
        low = exact.long().clamp(0, len(self._root) - 2)
        place = torch.lerp(self._root[low], self._root[low + 1], (exact - low)[:, None])
        # The floor is met exactly at every moment, not only where the path was integrated.
        points = self._soles_at(rotmats)
        place[:, 2] = -points[..., 2].amin(1)
        height = points[..., 2].unflatten(1, (2, -1))
        contact = (height.amin(2) + place[:, 2:] < CONTACT_M) & (self._standing(folded, height) > 0.3)
        return Frames(rotmats, place, contact)

    def _rotmats(self, times: Tensor) -> Tensor:
        rotmats = rotmats_from_angles(self._angles(times))
        upright = turn("z", self.path.heading(times) + pi / 2) @ turn("x", torch.full_like(times, pi / 2))
        rotmats[:, 0] = upright @ rotmats[:, 0]
        return rotmats

    def _angles(self, times: Tensor) -> Angles:
        count = len(times)
        slow = [torch.sin(times[:, None] * (0.5 + 0.35 * k) + self._waves[k]).mean(1) for k in range(6)]
        if self.kind == "walk":
            angles = walking_legs(2 * pi * self.cadence_hz * times + self._phase, torch.full((count,), self.stride), "cpu")
            swing = 0.75 * (angles.hip_flex.flip(1) - 0.13)
            return replace(
                angles,
                arm_down=torch.full((count, 2), radians(77)),
                arm_flex=swing,
                elbow=0.35 + 0.3 * swing.clamp(min=0),
                look=0.12 * slow[0],
                nod=0.06 * slow[1],
                bend=0.04 + 0.02 * slow[2],
            )
        first, second = self._ends
        way = 0.5 - 0.5 * torch.cos(times * (0.9 if self.kind == "gesture" else 0.6) * pi + self._phase)
        if self.kind == "stand":
            way = way * 0
        angles = Angles(
            **{
                name: torch.lerp(
                    a.expand(count, *a.shape[1:]),
                    getattr(second, name).expand(count, *a.shape[1:]),
                    way if a.dim() == 1 else way[:, None],
                )
                for name, a in vars(first).items()
            }
        )
        still = 0.15 if self.kind == "stand" else 1.0
        return replace(
            angles,
            look=angles.look + still * 0.2 * slow[0],
            nod=angles.nod + still * 0.08 * slow[1],
            twist=angles.twist + still * 0.05 * slow[2],
            bend=angles.bend + still * 0.03 * slow[3],
        )

    def _soles_at(self, rotmats: Tensor) -> Tensor:
        """(T, 2 feet x n, 3) m, before the translation."""
        betas = self.betas.expand(len(rotmats), -1)
        joints = self.body.joints(betas, rotmats)
        turned = rotmats
        chain = {0: turned[:, 0]}
        for name in ("hip", "knee", "ankle", "foot"):
            for side in ("left", "right"):
                j = J[f"{side}_{name}"]
                parent = {"hip": 0, "knee": J[f"{side}_hip"], "ankle": J[f"{side}_knee"], "foot": J[f"{side}_ankle"]}[name]
                chain[j] = chain[parent] @ turned[:, j]
        points = []
        for j, offset in self._soles:
            points.append(offset @ chain[j].mT + joints[:, j : j + 1])
        return torch.cat(points, 1)

    def _standing(self, times: Tensor, height: Tensor) -> Tensor:
        """(T, 2): how much of the weight each foot carries; from the gait's phase, or from which foot is lower."""
        if self.kind != "walk":
            return torch.softmax(-height.amin(2) / _SOFTNESS_M, dim=1)
        phase = 2 * pi * self.cadence_hz * times + self._phase
        # the left foot takes over at 0 .. 0.6, and gives up at pi .. pi + 0.6
        left = torch.remainder(phase - 0.3 + pi, 2 * pi) - pi
        share = ((left / 0.3 + 1) / 2).clamp(0, 1) * ((pi - left.abs()) / 0.3).add(1).div(2).clamp(0, 1)
        other = torch.remainder(phase - pi - 0.3 + pi, 2 * pi) - pi
        mirrored = ((other / 0.3 + 1) / 2).clamp(0, 1) * ((pi - other.abs()) / 0.3).add(1).div(2).clamp(0, 1)
        both = torch.stack((share, mirrored), 1)
        return both / both.sum(1, keepdim=True)

    def _integrate(self) -> None:
        times = torch.arange(int(self.duration_s * RATE_HZ) + 2) / RATE_HZ
        points = torch.cat([self._soles_at(self._rotmats(part)) for part in times.split(1000)])
        height = points[..., 2].unflatten(1, (2, -1))
        support = torch.softmax(-height / _SOFTNESS_M, dim=2) * self._standing(times, height)[..., None]
        support = support.flatten(1)
        support = (support[1:] + support[:-1]) / 2
        moved = -(support[..., None] * (points[1:] - points[:-1])).sum(1)
        self._root = torch.zeros(len(times), 3)
        self._root[1:, :2] = moved[:, :2].cumsum(0)
        start = torch.tensor(self.path.start_m)
        self._root[:, :2] += start - self._pelvis[:2]


def _sole_points(body: Body) -> list[tuple[int, Tensor]]:
    """For left ankle, left foot, right ankle, right foot: vertices of the sole that turn with that joint."""
    found = []
    lowest = body.v_template[:, 1].amin()
    for side in ("left", "right"):
        for name in ("ankle", "foot"):
            j = J[f"{side}_{name}"]
            weight = body.lbs_weights[:, j]
            near = torch.nonzero((weight > 0.5 * weight.amax()) & (body.v_template[:, 1] < lowest + 0.02)).squeeze(1)
            z = body.v_template[near, 2]
            ends = near[torch.stack([z.argmin(), z.argmax()])] if name == "ankle" else near[z.argmax()][None]
            found.append((j, ends))
    return found


def _two_poses(dice: Dice, kind: str) -> tuple[Angles, Angles]:
    """The two poses, one moment each, between which everything but walking goes to and fro; the feet stay below."""
    one = zero_angles(1)
    hang = replace(
        one,
        arm_down=torch.full((1, 2), radians(76)),
        elbow=torch.full((1, 2), 0.2),
        arm_flex=torch.full((1, 2), 0.05),
        hip_out=torch.full((1, 2), 0.06),
        knee=torch.full((1, 2), 0.04),
        hip_flex=torch.full((1, 2), 0.02),
    )
    arms = with_arms(dice, hang, replace(PRIORS["test"], arms=(0, 0, 1, 0.6, 0.3, 0.2, 0, 0)))
    if kind == "stand":
        return hang, hang
    if kind == "hug":
        return tuple(_arms_around(hang, bend) for bend in (0.08, 0.16))
    if kind == "gesture":
        return with_arms(dice, hang, replace(PRIORS["test"], arms=(0.3, 0, 1, 0, 0, 0.3, 0, 0))), arms
    if kind == "reach":
        return hang, replace(
            with_arms(dice, hang, replace(PRIORS["test"], arms=(0, 0, 0, 1, 0, 0, 0, 0))),
            bend=torch.tensor([0.35]),
            twist=dice.normal(1, sigma=0.25),
        )
    deep = radians(82) if kind == "sit" else radians(float(dice.uniform(80, 105, 1)))
    low = replace(
        arms,
        hip_flex=torch.full((1, 2), deep),
        knee=torch.full((1, 2), deep * (1.05 if kind == "crouch" else 1.02)),
        hip_out=torch.full((1, 2), 0.2),
        ankle=torch.full((1, 2), -0.22 if kind == "crouch" else -0.02),
        tilt=torch.tensor([0.25 if kind == "crouch" else 0.03]),
        bend=torch.tensor([0.3 if kind == "crouch" else 0.08]),
    )
    if kind == "sit":
        return low, replace(
            low, **{name: getattr(hang, name) for name in ("arm_down", "arm_flex", "elbow")}, bend=torch.tensor([0.25])
        )
    return hang, low


def _arms_around(hang: Angles, bend: float) -> Angles:
    """Both arms forward, one above the other, the forearms turned in behind the other's back."""
    return replace(
        hang,
        arm_down=torch.tensor([[radians(35), radians(62)]]),
        arm_flex=torch.tensor([[radians(85), radians(60)]]),
        arm_turn=torch.full((1, 2), radians(-70)),
        elbow=torch.tensor([[radians(62), radians(55)]]),
        bend=torch.tensor([bend]),
        cock=torch.tensor([0.2]),
    )


def circle(radius_m: float, speed_m_s: float, centre_m: tuple[float, float] = (0, 0), start_rad: float = 0.0) -> Path:
    """Round and round, counter-clockwise, for somebody who walks at about that speed."""
    lap_s = 2 * pi * radius_m / speed_m_s
    return Path(
        (centre_m[0] + radius_m * cos(start_rad), centre_m[1] + radius_m * sin(start_rad)),
        start_rad + pi / 2,
        0.0,
        lap_s,
        2 * pi,
    )

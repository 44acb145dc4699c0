"""One person's motions one after the other: they walk up to a place, do something there, and walk away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, sin

import torch
from torch import Tensor

from refit_ros.core.rotations import axis_angle_from_rotmat, rotmat_from_axis_angle
from refit_ros.synthetic.motion import Frames, Motion, Path

BLEND_S = 0.5  # from one motion to the next; the feet may slide in it


class Relay:
    """Motions that take over from one another at given times; each begins where the one before it ended."""

    def __init__(self, first: Motion, then: Sequence[tuple[float, Callable[[tuple[float, float]], Motion]]]) -> None:
        """`then`: from when (s, growing) on, and the motion made for a start (x, y) m; its time 0 is that moment."""
        self.body, self._motions, self._from_s = first.body, [first], [0.0]
        for from_s, make in then:
            place = self._pelvis(self._motions[-1], from_s - self._from_s[-1])
            self._motions.append(make(place))
            self._from_s.append(from_s)

    @staticmethod
    def _pelvis(motion: Motion, time_s: float) -> tuple[float, float]:
        frames = motion.at([time_s])
        x, y = motion.body.joints(motion.betas, frames.rotmats, frames.transl)[0, 0, :2].tolist()
        return x, y

    def at(self, times_s: Tensor | Sequence[float]) -> Frames:
        """The moments (T,) s, as a Motion gives them."""
        times = torch.as_tensor(times_s, dtype=torch.float32).reshape(-1)
        found = self._motions[0].at(times)
        for motion, from_s in zip(self._motions[1:], self._from_s[1:], strict=True):
            later = motion.at((times - from_s).clamp(min=0))
            share = ((times - from_s) / BLEND_S + 0.5).clamp(0, 1)
            found = _between(found, later, share)
        return found


def _between(first: Frames, second: Frames, share: Tensor) -> Frames:
    way = axis_angle_from_rotmat(first.rotmats.mT @ second.rotmats)
    rotmats = first.rotmats @ rotmat_from_axis_angle(share[:, None, None] * way)
    rotmats = torch.where((share >= 1)[:, None, None, None], second.rotmats, rotmats)
    transl = torch.lerp(first.transl, second.transl, share[:, None])
    return Frames(rotmats, transl, torch.where((share < 0.5)[:, None], first.contact, second.contact))


def towards(place_m: tuple[float, float], heading_rad: float, distance_m: float) -> tuple[float, float]:
    """The place from which `place_m` lies `distance_m` ahead."""
    return place_m[0] - distance_m * cos(heading_rad), place_m[1] - distance_m * sin(heading_rad)


def walked_m(motion: Motion, seconds: float) -> float:
    """How far somebody has come by then, as the crow flies."""
    frames = motion.at([0.0, seconds])
    places = motion.body.joints(motion.betas.expand(2, -1), frames.rotmats, frames.transl)[:, 0, :2]
    return float((places[1] - places[0]).norm())


def straight(start_m: tuple[float, float], heading_rad: float) -> Path:
    """Straight on for longer than any scene."""
    return Path(start_m, heading_rad, 1e4)

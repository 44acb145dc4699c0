"""Empty rooms, with doors, cupboards and pictures on their walls: what a detector must learn is nobody."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from refit_ros.camera.calibration import Calibration
from refit_ros.synthetic.cameras import looking_at
from refit_ros.synthetic.dice import Dice
from refit_ros.synthetic.room import HALF_M, render_room

KEPT = 64  # rooms at hand
FRESH = 2  # of them are drawn anew for every batch
_FIRST_SEED = {"train": 100_000, "test": 200_000}  # far from those of the scenes


class Rooms:
    """Images of empty rooms from anywhere in them."""

    def __init__(self, dice: Dice, split: str, seed: int, width_px: int, height_px: int) -> None:
        self._dice, self._width, self._height = dice, width_px, height_px
        self._next = _FIRST_SEED[split] + 10_000 * (seed % 9)
        self._kept = torch.stack([self._drawn() for _ in range(KEPT)])

    def pick(self, count: int) -> Tensor:
        """(count, H, W, 3) 0 .. 1, half of them mirrored."""
        for slot in self._dice.below(KEPT, FRESH).tolist():
            self._kept[slot] = self._drawn()
        picked = self._kept[self._dice.below(KEPT, count)]
        mirrored = self._dice.chance(0.5, count)
        return torch.where(mirrored[:, None, None, None], picked.flip(2), picked)

    def _drawn(self) -> Tensor:
        self._next += 1
        rng = np.random.default_rng(self._next)
        place = np.array([*rng.uniform(-0.8 * HALF_M, 0.8 * HALF_M, 2), rng.uniform(0.3, 2.8)])
        target = np.array([*rng.uniform(-0.5 * HALF_M, 0.5 * HALF_M, 2), rng.uniform(0.3, 1.5)])
        focal_px = rng.uniform(0.65, 1.6) * self._width
        K = np.array([[focal_px, 0, (self._width - 1) / 2], [0, focal_px, (self._height - 1) / 2], [0, 0, 1]])
        calibration = Calibration("room", "room", self._width, self._height, K)
        image = render_room(calibration, looking_at(place, target + 0.01), self._next)
        return torch.from_numpy(image).to(self._dice.device)

"""A body in the fixed frame: what everything between the network and the messages hands on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Pose:
    """A body in the fixed frame."""

    rotmats: np.ndarray  # (24, 3, 3): global orientation in the fixed frame, then relative to the parents
    betas: np.ndarray  # (10,)
    transl: np.ndarray  # (3,) m
    joints: np.ndarray  # (24, 3) m

    def moved(self, step_m: np.ndarray) -> Pose:
        """The same body elsewhere, by (3,) m."""
        return replace(self, transl=self.transl + step_m, joints=self.joints + step_m)

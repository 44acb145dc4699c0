"""What is between reading and writing: one person's motion at an even rate, z up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sighting:
    """A person in one set of images, as it was published or written; names and conventions are smplx's."""

    time_s: float
    id: int
    confidence: float
    betas: np.ndarray  # (10,)
    global_orient: np.ndarray  # (3,) axis-angle, rad, in the frame
    body_pose: np.ndarray  # (69,) axis-angle, rad, each joint relative to its parent
    transl: np.ndarray  # (3,) m, in the frame
    joints: np.ndarray  # (24, 3) m, in the frame
    frame_id: str
    optical: bool  # the frame is a camera's: x right, y down, z forward; else z is up
    body_model: str
    sequence: int = 0  # ids of different sequences have nothing to do with each other


@dataclass(frozen=True)
class Motion:
    """One person, T frames at an even rate. The world is z up; for a single camera x is forward, y left.

    The rest pose is SMPL's: y up, the face towards +z. Joints are SMPL's 24, in `core/joints.py`'s order.
    """

    name: str  # of the files that come out, without ending
    id: int
    rate_hz: float
    start_s: float  # time of the first frame
    betas: np.ndarray  # (10,) one shape for all frames: the mean
    rest_joints: np.ndarray  # (24, 3) m, of that shape
    poses: np.ndarray  # (T, 24, 3) axis-angle, rad: the pelvis in the world, the others relative to their parents
    transl: np.ndarray  # (T, 3) m: with `betas` and `poses` it puts the pelvis where it was
    joints: np.ndarray  # (T, 24, 3) m, as they were estimated
    confidence: np.ndarray  # (T,)
    body_model: str
    frame_id: str

    @property
    def pelvis(self) -> np.ndarray:
        """(T, 3) m."""
        return self.rest_joints[0] + self.transl

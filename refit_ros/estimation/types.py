"""What the Estimator takes and gives: frozen, numpy only, the same for one camera and for many."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class PersonView:
    """What one camera contributed to a person."""

    camera: str
    frame_id: str
    box_xyxy_px: np.ndarray  # (4,) in the raw image
    weak_perspective: np.ndarray  # (3,) s, tx, ty of the crop
    residual_px: float  # how far this view's own estimate lies from the fused one


@dataclass(frozen=True)
class Person:
    """One person in the fixed frame; the names and conventions are smplx's."""

    id: int
    confidence: float
    betas: np.ndarray  # (10,)
    global_orient: np.ndarray  # (3,) axis-angle, rad, fixed frame
    body_pose: np.ndarray  # (23, 3) axis-angle, rad, relative to the parent joint
    transl: np.ndarray  # (3,) m, fixed frame
    joints: np.ndarray  # (24, 3) m, fixed frame
    joint_rotmats: np.ndarray  # (24, 3, 3) of each joint in the fixed frame (composed along the tree)
    joint_stddev: np.ndarray  # (24,) m, one sigma
    joint_in_image: np.ndarray  # (24,) bool: inside at least one image
    views: tuple[PersonView, ...]
    root_covariance: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))  # (3, 3) m^2 of the pelvis, fixed frame
    root_velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))  # (3,) m/s of the pelvis, fixed frame


@dataclass(frozen=True)
class People:
    """Everybody seen in one set."""

    stamp_s: float
    people: tuple[Person, ...]
    cameras: tuple[str, ...]  # the views that were used
    left_out: dict[str, str] = field(default_factory=dict)  # camera -> why it was not used
    iterations: int = 0
    detector_calls: int = 0
    moved_cameras: tuple[str, ...] = ()  # residual high for seconds: extrinsics no longer true?
    boxes_dropped: int = 0  # degenerate, outside the image, or beyond max_people
    timings_s: dict[str, float] = field(default_factory=dict)
    doubt: str = ""  # a sentence where no two cameras' rays meet though each sees people: extrinsics, K or clocks wrong?

"""Joints of one person that another tool has found in 3D, whatever file they came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX

MOST_FRAMES = 1_000_000  # of a recording: hours
RATE_OFF = 0.02  # by which a file's rate may differ from the videos': 29.97 is told as 30
FEWEST_LIMBS = 4  # joints without which nothing is measured
UPRIGHT = 0.5  # least share of the vertical in the line from ankles to shoulders of whoever stands, walks, bends or sits
UNITS_M = {"m": 1.0, "meters": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001, "millimeters": 0.001, "millimetres": 0.001}
WORLD_OF_Y_UP = (2, 0, 1)  # Pose2Sim writes y up: (x, y, z) of the file is (y, z, x) of the calibration's world
WORLD_OF_Z_UP = (0, 1, 2)
LIMBS = tuple(
    f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in ("left", "right")
)
# Joint centres as models of marker systems abbreviate them: Plug-in Gait's ends of bones, and CGM's and others' "JC".
_CENTRES = {"FEP": "hip", "FEO": "knee", "TIO": "ankle"} | {
    f"{part[0].upper()}JC": part for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}


@dataclass(frozen=True)
class Truth:
    """Joints that another tool found in 3D."""

    names: tuple[str, ...]  # of LIMBS, those that the file has
    points: np.ndarray  # (T, n, 3) m in the calibration's world, z up, a row for each frame; NaN where there is none
    rate_hz: float = 0.0  # at which it says they were taken; 0: it does not say
    file: str = ""
    rate_field: str = ""  # in which the file says so

    def check_rate(self, videos_hz: float) -> None:
        """Raises InputError with a sentence where its rows cannot be the videos' frames."""
        if self.rate_hz > 0 and abs(self.rate_hz - videos_hz) > RATE_OFF * videos_hz:
            raise InputError(
                f"{self.file} has {self.rate_hz:g} rows a second ({self.rate_field}), and the videos {videos_hz:g} frames: "
                "its rows must be the videos' frames; write it anew at the videos' rate"
            )

    @property
    def joints(self) -> list[int]:
        """Indices of SMPL's joints."""
        return [JOINT_INDEX[name] for name in self.names]

    @property
    def doubt(self) -> str:
        """A sentence where people mostly do not stand up in the calibration's world; "" where they do or nothing tells."""
        high, low = (
            [self.names.index(f"{side}_{part}") for side in ("left", "right") if f"{side}_{part}" in self.names]
            for part in ("shoulder", "ankle")
        )
        if not high or not low:
            return ""
        lines = self.points[:, high].mean(1) - self.points[:, low].mean(1)
        lengths = np.linalg.norm(lines, axis=1)
        known = lengths > 0  # false where it is NaN
        if not known.any() or np.median(lines[known, 2] / lengths[known]) >= UPRIGHT:
            return ""
        return (
            f"{self.file}: shoulders are mostly not above ankles in the calibration's world; unless somebody lies there, "
            "the file's axes are not those of the calibration (docs/real.md), and the errors are no errors"
        )


def limb_columns(labels: Sequence[str], file: object) -> dict[str, int]:
    """Of LIMBS, in their order, those that a file's markers have, and which marker each is.

    labels: of the markers; `Subject:RHip` is the subject's right hip. Of two markers of one name the first is taken.
    Raises InputError with a sentence where they are fewer than FEWEST_LIMBS, or of several people.
    """
    people: dict[str, dict[str, int]] = {}
    for index, label in enumerate(labels):
        person, _, name = label.rpartition(":")
        if limb := _limb(name):
            people.setdefault(person.strip(), {}).setdefault(limb, index)
    whole = [person for person, own in people.items() if len(own) >= FEWEST_LIMBS]
    if len(whole) > 1:
        raise InputError(
            f"{file} has the joints of {len(whole)} people ({', '.join(whole)}): one is measured; write the joints of one"
        )
    own = people[whole[0]] if whole else max(people.values(), key=len, default={})
    if len(own) < FEWEST_LIMBS:
        raise InputError(
            f"{file}: of its markers, {len(own)} are limbs' joints (RHip, LKnee, left_wrist, LHJC, ...); markers on the "
            "skin are none: write joints' centres"
        )
    return {limb: own[limb] for limb in LIMBS if limb in own}


def frame_numbers(told: Sequence[float] | np.ndarray) -> np.ndarray:
    """The videos' frames, from 0, of the numbers that a file gives them, which count from 1 or 0.

    Raises ValueError with a reason.
    """
    frames = np.array(told, dtype=float)
    if not (np.isfinite(frames).all() and (frames == np.floor(frames)).all() and (np.diff(frames) > 0).all()):
        raise ValueError("its frames' numbers do not rise")
    if len(frames) and not 0 <= frames[0] <= frames[-1] < MOST_FRAMES:
        raise ValueError(f"its frames have the numbers {told[0]:g} to {told[-1]:g}")
    return frames.astype(np.int64) - (1 if len(frames) and frames[0] > 0 else 0)


def by_frame(found: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(T, n, 3), NaN in the frames that `found` (rows, n, 3) has no row for; frames: each row's, rising, from 0."""
    points = np.full((frames[-1] + 1, *found.shape[1:]), np.nan)
    points[frames] = found
    return points


def _limb(name: str) -> str | None:
    """RKnee, Right_Knee, right knee, RKJC -> right_knee; None for whatever is no limb's joint."""
    found = re.fullmatch(
        r"(l|r|left|right)[ _]?(hip|knee|ankle|shoulder|elbow|wrist)(?:[ _]?jc)?", name.strip(), re.IGNORECASE
    )
    if found:
        return f"{'left' if found[1][0] in 'lL' else 'right'}_{found[2].lower()}"
    part = _CENTRES.get(name.strip()[1:])
    return f"{'left' if name.strip()[0] == 'L' else 'right'}_{part}" if part and name.strip()[0] in "LR" else None

"""Points of other layouts as BlazePose's 33 landmarks, which people are followed by."""

from __future__ import annotations

import numpy as np

from refit_ros.camera.keypoints import GivenKeypoints
from refit_ros.core.landmarks import BLAZEPOSE_33, LAYOUTS
from refit_ros.detection.landmarks import COUNT, Landmarks, as_clear_as

_BESIDE = {"pinky": "wrist", "index": "wrist", "thumb": "wrist", "heel": "ankle", "big_toe": "ankle"}


def as_landmarks(found: GivenKeypoints, region: np.ndarray | None = None) -> Landmarks:
    """What is seen of N people. region (N, 4): where they were looked for, if that is known.

    Landmarks that the layout does not have are not seen, and lie where the nearest of its points does.
    """
    nearest, there = NEAREST[found.layout], _THERE[found.layout]
    visibility, heat = as_clear_as(found.score[:, nearest] * there)
    people = len(found.score)
    region = np.zeros((people, 4)) if region is None else region
    return Landmarks(
        place_px=found.place_px[:, nearest],
        visibility=visibility,
        presence=visibility,
        place_m=np.zeros((people, COUNT, 3)),  # nothing is known
        flag=found.person,
        heat=heat,
        region=region,
        next_region=region,
    )


def _nearest(layout: str) -> np.ndarray:
    """(33,) of each landmark, which point of the layout is it or says most of it."""
    names = LAYOUTS[layout]
    found = []
    for name in BLAZEPOSE_33:
        side, _, part = name.partition("_")
        part = part.removesuffix("_inner").removesuffix("_outer")
        likely = name, f"{side}_{part}", f"{side}_{_BESIDE.get(part, part)}"
        found.append(names.index(next((each for each in likely if each in names), "nose")))
    return np.array(found)


NEAREST = {layout: _nearest(layout) for layout in LAYOUTS}
_THERE = {layout: np.isin(BLAZEPOSE_33, names).astype(float) for layout, names in LAYOUTS.items()}

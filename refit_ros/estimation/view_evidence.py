"""What is asked of one camera's image, and what it shows: all that lies between the eyes and the fusion of the views.

Both are frozen values that can be sent: an `Expectation` goes to where the image is, a `ViewEvidence` comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.crops import Square
from refit_ros.core.refit import Features
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.solve import Crop

LARGEST_HALF = 65504.0  # that float16 holds
MASK_PX = 64  # side of a mask of a region in which landmarks are looked for; of features it is the crop's own


class Search(IntEnum):
    """Who looks for people in a whole image."""

    NOBODY = 0
    DETECTOR = 1
    FALLBACK = 2  # the slower one, where the detector has found nobody in any image


def no_regions() -> np.ndarray:
    return np.zeros((0, 4))


@dataclass(frozen=True)
class Expectation:
    """Of one image: whether to look for people, and N regions to look into closely."""

    search: Search = Search.NOBODY
    regions_px: np.ndarray = field(default_factory=no_regions)  # (N, 4) left, top, right, bottom; see `Eyes`
    masks: tuple[np.ndarray | None, ...] = ()  # of each region (S, S) bool where it shows somebody else; none: nobody
    turned_rad: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (N,) clockwise, NaN: not known; none: of nobody
    known_px: np.ndarray = field(default_factory=no_regions)  # (M, 4) boxes of who need not be found; is not sent
    windows: tuple[np.ndarray | None, ...] = ()  # of each region (M, 2): these parts of its maps will do; none: of nobody

    def asks_as(self, other: Expectation) -> bool:
        """Whether both ask the same of the same image."""
        return (
            self.search == other.search
            and np.array_equal(self.regions_px, other.regions_px)
            and np.array_equal(self.turned_rad, other.turned_rad, equal_nan=True)
            and _same(self.masks, other.masks)
            and _same(self.windows, other.windows)
        )


def _same(some: tuple[np.ndarray | None, ...], others: tuple[np.ndarray | None, ...]) -> bool:
    if len(some) != len(others):
        return False
    return all(
        one is other if one is None or other is None else np.array_equal(one, other) for one, other in zip(some, others)
    )


@dataclass(frozen=True)
class ViewEvidence:
    """Of one image: boxes of people where they were looked for, and what the N regions show that were asked about.

    Of landmarks, only places, visibility and flag count.
    """

    boxes: Boxes | None = None  # None: nobody looked
    features: Features | None = None  # of the N regions, in half precision; NaN in what no window holds, if it was sent
    landmarks: Landmarks | None = None  # of those of the N regions that show people, each person once


def region_of(square: Square) -> np.ndarray:
    """(4,) px. The edges of crops are whole pixels, so that `square_of` gives back the very same square."""
    half = square.side_px / 2
    return np.array([*(square.center_px - half), *(square.center_px + half)])


def square_of(region_px: np.ndarray) -> Square:
    return Square((region_px[:2] + region_px[2:]) / 2, float(region_px[2] - region_px[0]))


def expectations(crops: tuple[Crop, ...], whole: bool = False) -> dict[int, Expectation]:
    """What to ask of each camera, to get the features of planned crops; in each camera in their order.

    whole: all of their maps is wanted, whatever is known of where they will be read.
    """
    asked: dict[int, list[Crop]] = {}
    for crop in crops:
        asked.setdefault(crop.camera, []).append(crop)
    return {
        camera: Expectation(
            regions_px=np.stack([region_of(crop.square) for crop in own]),
            masks=tuple(crop.mask for crop in own),
            windows=() if whole else tuple(crop.windows for crop in own),
        )
        for camera, own in asked.items()
    }


def in_halves(features: Features) -> Features:
    """In float16, or in bfloat16 where the numbers leave its range: what is sent, and what is used where nothing is sent.

    So people are the same, to the number, wherever the images are looked at.
    """
    values = [values.aminmax() for values in (features.maps, features.pooled) if values.numel()]
    leaves = any(float(least) < -LARGEST_HALF or float(most) > LARGEST_HALF for least, most in values)
    return features.to(torch.bfloat16 if leaves else torch.float16)


def seen_in_parts(features: Features | None) -> bool:
    """Whether windows have come in place of whole maps."""
    return features is not None and bool(features.maps.isnan().any())


def features_in_order(crops: tuple[Crop, ...], evidence: dict[int, ViewEvidence]) -> Features:
    """The features of planned crops, at least one, from the answers to `expectations`; all cameras must be there."""
    shown = {camera: seen.features for camera, seen in evidence.items() if seen.features is not None}
    rows = {camera: zip(features.maps, features.pooled) for camera, features in shown.items()}
    found = [next(rows[crop.camera]) for crop in crops]
    maps, pooled = (torch.stack(values).float() for values in zip(*found))
    return Features(maps, pooled)

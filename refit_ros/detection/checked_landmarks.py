"""BlazePose's landmarks beside MoveNet's points of the same person: each says what it is better at.

Thunder's points lie closer to the truth and are hardly ever exchanged or upside down: of 960 points of a man who balances
(frames 0, 5, ... of a real recording, four cameras) 0.1 % lay more than a tenth of the region off, of BlazePose `full`
6.2 %. So the 17 points that it has are its own; BlazePose gives hands, feet and the face beside them, and everything in 3D,
as far as the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from refit_ros.core.landmarks import BLAZEPOSE_33, COCO_17, LANDMARK_INDEX
from refit_ros.detection.landmarks import PERSON, LandmarkNetwork, Landmarks, as_clear_as
from refit_ros.detection.movenet import THUNDER, Thunder
from refit_ros.detection.regions import WIDER, from_boxes
from refit_ros.models.files import is_there

AROUND = 1.1  # a region's side for Thunder, by the longer side of a person's box
# That a point lies within 6 % of the region's side of the truth, by its score: logistic regression on 3,000 points of every
# tenth frame of a real recording, whole, cut at the knees, the waist and the sides, and hidden below the hips.
_TRUST = (-3.1, 6.8)
AGREEING = 0.05  # of a region's side: half believed
LEAST_AGREEMENT = 0.5  # weighted mean over the points: below, BlazePose has looked at something else
# The mean of the nine highest scores: of people above 0.43 in 95 %, of 267 places without anybody below 0.27 in 95 %.
_SURE, _SURER = 0.35, 20.0
_HIGHEST = 9

_OWN = np.array([LANDMARK_INDEX[name] for name in COCO_17])
_BESIDE = {"pinky": "wrist", "index": "wrist", "thumb": "wrist", "heel": "ankle", "big_toe": "ankle"}


class CheckedLandmarks:
    """A `LandmarkSource` (estimation/eyes.py)."""

    def __init__(self, landmarks: LandmarkNetwork, thunder: Thunder) -> None:
        self._landmarks, self._thunder = landmarks, thunder
        # One crop keeps one core busy in either network; together they take little longer than the slower one alone.
        self._beside = ThreadPoolExecutor(1, "landmarks") if torch.get_num_threads() > 1 else None

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks:
        """As `LandmarkNetwork.in_boxes`."""
        return self.in_turned_boxes([image], [xyxy_px], [np.full(len(xyxy_px), np.nan)])[0]

    def in_turned_boxes(
        self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Landmarks]:
        """As `LandmarkNetwork.in_turned_boxes`."""
        regions = [from_boxes(boxes) * [1, 1, AROUND / WIDER, 1] for boxes in xyxy_px]
        for own, turns in zip(regions, turned_rad):
            own[:, 3] = np.nan_to_num(turns)
        beside = None if self._beside is None else self._beside.submit(self._thunder.in_regions, images, regions)
        found = self._landmarks.in_turned_boxes(images, xyxy_px, turned_rad)
        points = self._thunder.in_regions(images, regions) if beside is None else beside.result()
        return [checked(some, *own) for some, own in zip(found, points)]


def checked(found: Landmarks, place_px: np.ndarray, score: np.ndarray) -> Landmarks:
    """BlazePose's landmarks of N people and Thunder's points (N, 17, 2), (N, 17) of the same, as one."""
    if not len(found):
        return found
    trust = trusted(score)
    off = np.linalg.norm(found.place_px[:, _OWN] - place_px, axis=2) / found.region[:, 2:3]
    close = 1 / (1 + (off / AGREEING) ** 2)
    agreement = (trust * close).sum(1) / trust.sum(1)
    beside = found.trust * (trust * close)[:, _NEAREST]
    beside[:, _OWN] = trust
    visibility, heat = as_clear_as(beside)
    places = found.place_px.copy()
    places[:, _OWN] = place_px
    # Zeros: nothing is known of it in 3D.
    in_3d = (agreement[:, None] > LEAST_AGREEMENT) & (close[:, _NEAREST] > LEAST_AGREEMENT)
    person = likely_a_person(score)
    return replace(
        found,
        place_px=places,
        visibility=visibility,
        heat=heat,
        place_m=np.where(in_3d[..., None], found.place_m, 0.0),
        flag=np.where((agreement > LEAST_AGREEMENT) & (found.flag > PERSON), np.maximum(found.flag, person), person),
    )


def likely_a_person(score: np.ndarray) -> np.ndarray:
    """(N,) 0 .. 1 of Thunder's scores (N, 17)."""
    return 1 / (1 + np.exp(-_SURER * (np.sort(score, axis=1)[:, -_HIGHEST:].mean(1) - _SURE)))


def trusted(score: np.ndarray) -> np.ndarray:
    """0 .. 1 of Thunder's scores: that a point is where it says."""
    bias, by_score = _TRUST
    return 1 / (1 + np.exp(-bias - by_score * score))


def _nearest() -> np.ndarray:
    """(33,) of each of BlazePose's landmarks, which of the 17 points is it or says most of it."""
    found = []
    for name in BLAZEPOSE_33:
        side, _, part = name.rpartition("_") if not name.endswith(("_inner", "_outer", "_toe")) else name.partition("_")
        part = part.removesuffix("_inner").removesuffix("_outer")
        other = f"{side}_{_BESIDE.get(part, part)}"
        found.append(COCO_17.index(name if name in COCO_17 else other if other in COCO_17 else "nose"))
    return np.array(found)


_NEAREST = _nearest()


def usual_landmarks(kind: str = "full") -> LandmarkNetwork | CheckedLandmarks:
    """BlazePose's network of this kind (`landmarks.KINDS`), with Thunder beside it where its model is there.

    Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
    """
    landmarks = LandmarkNetwork(kind)
    return CheckedLandmarks(landmarks, Thunder()) if is_there(THUNDER) else landmarks

"""MoveNet: 17 points of everybody in an image at once (MultiPose), and of one person in a square around them (single pose).

BlazePose sees one person, squeezed into the region that it is told, and turns left for right or a body upside down where the
region is wrong; these see fewer points, none of them in 3D, and hardly ever so. Decoding after the published descriptions of
the models (tfhub.dev/google/movenet/multipose/lightning/1 and .../singlepose/thunder/4): for each point (y, x, score), then
of MultiPose's people a box (y, x, y, x) and a score, all in shares of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from refit_ros.camera.geometry import mean_distance, overlap
from refit_ros.core.landmarks import COCO_17, LANDMARK_INDEX, LANDMARK_NAMES, MIRRORED_LANDMARKS
from refit_ros.detection.regions import crops, to_image
from refit_ros.detection.rows import Rows, joined
from refit_ros.detection.tfjs_network import tfjs_network

MULTIPOSE, THUNDER, LIGHTNING = "movenet_multipose", "movenet_thunder", "movenet_lightning"
POINTS = len(COCO_17)
AT_ONCE = 6  # people whom MultiPose tells of one image in one size
SIDE_PX = 256  # of what MultiPose sees at least; smaller people in larger images
SAME_BODY = 0.12  # people whose points are on average nearer, in sides of the larger box, are one
SAME_BOX = 0.6
AROUND = 1.1  # a region's side for one person, by the longer side of their box
LEAST_CONFIDENCE = 0.1  # what is below is nobody, whoever agrees
_SIDES_PX = {THUNDER: 256, LIGHTNING: 192}
# That a point lies within 6 % of the region's side of the truth, by its score: logistic regressions on 3,000 and 2,000
# points of frames 1, 11, ... and 1, 16, ... of a real recording, whole, cut at knees, waist and sides, and half hidden.
_TRUST = {THUNDER: (-3.1, 6.8), LIGHTNING: (-3.5, 7.4)}
# The mean of Thunder's nine highest scores: of people above 0.43 in 95 %, of 267 places without anybody below 0.27 in 95 %.
_SURE, _SURER = 0.35, 20.0
_HIGHEST = 9
# Which point is which in a mirror image.
MIRRORED = [COCO_17.index(LANDMARK_NAMES[MIRRORED_LANDMARKS[LANDMARK_INDEX[name]]]) for name in COCO_17]


@dataclass(frozen=True)
class Skeletons(Rows):
    """N people in one image."""

    place_px: np.ndarray  # (N, 17, 2) in the raw image, COCO's points
    score: np.ndarray  # (N, 17) 0 .. 1
    box_px: np.ndarray  # (N, 4) left, top, right, bottom
    confidence: np.ndarray  # (N,) 0 .. 1


class MultiPose:
    """Up to AT_ONCE people an image and size."""

    def __init__(self, device: str = "cpu") -> None:
        """As tfjs_network, and raises the same."""
        self._network = tfjs_network(MULTIPOSE, alone=True, device=device)
        self._network.prepare(SIDE_PX)

    def find(self, images: Sequence[np.ndarray], sides_px: Sequence[int] = (SIDE_PX,)) -> list[Skeletons]:
        """Everybody in each image (H, W, 3) uint8 RGB, looked at in these sizes (multiples of 32); the surest first."""
        if not images:
            return []
        by_side = [self._network(np.stack([_whole(image, side) for image in images])) for side in sides_px]
        return [
            distinct(joined([_of_rows(rows[index], max(image.shape[:2])) for rows in by_side]))
            for index, image in enumerate(images)
        ]


@dataclass(frozen=True)
class Points(Rows):
    """Of one person in each of N regions."""

    place_px: np.ndarray  # (N, 17, 2) in the raw image, COCO's points
    score: np.ndarray  # (N, 17) 0 .. 1
    trust: np.ndarray  # (N, 17) 0 .. 1: that a point is where it says

    @property
    def person(self) -> np.ndarray:
        """(N,) 0 .. 1: that there is one."""
        return 1 / (1 + np.exp(-_SURER * (np.sort(self.score, axis=1)[:, -_HIGHEST:].mean(1) - _SURE)))


def points_of(place_px: np.ndarray, score: np.ndarray, name: str = THUNDER) -> Points:
    """Places (N, 17, 2) px and scores (N, 17) of one of the networks for one person."""
    bias, by_score = _TRUST[name]
    return Points(place_px, score, 1 / (1 + np.exp(-bias - by_score * score)))


class SinglePose:
    """One person a region, by Thunder or by Lightning, which is three times as fast."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        """As tfjs_network, and raises the same."""
        self.device = device
        self._name, self._side_px, self._network = name, _SIDES_PX[name], tfjs_network(name, device=device)
        self._network.prepare(self._side_px)

    def in_regions(
        self, images: Sequence[np.ndarray], regions: Sequence[np.ndarray], mirrored: bool = False
    ) -> list[Points]:
        """In the regions (N_i, 4) of each image (detection/regions.py). mirrored: it is shown their mirror images."""
        where = np.concatenate([np.zeros((0, 4)), *regions])
        counts = np.cumsum([len(each) for each in regions])[:-1]
        rows = np.zeros((0, POINTS, 3))
        if len(where):
            cut = np.concatenate(
                [crops(image, each, self._side_px, cv2.BORDER_CONSTANT) for image, each in zip(images, regions)]
            )
            shown = np.ascontiguousarray(cut[:, :, ::-1]) if mirrored else cut
            rows = np.nan_to_num(np.asarray(self._network(shown), np.float64)).reshape(-1, POINTS, 3)
            if mirrored:
                rows = rows[:, MIRRORED] * [1, -1, 1] + [0, 1, 0]
        found = points_of(to_image(rows[..., 1::-1], where), rows[..., 2], self._name)
        return [found[some] for some in np.split(np.arange(len(where)), counts)]


def distinct(seen: Skeletons) -> Skeletons:
    """The surest of those who are the same person, the surest first."""
    size = (seen.box_px[:, 2:] - seen.box_px[:, :2]).max(1, initial=1.0)
    kept: list[int] = []
    for index in np.argsort(-seen.confidence, kind="stable"):
        off = mean_distance(seen.place_px[index], seen.place_px[kept], seen.score[index] * seen.score[kept])
        near = off < SAME_BODY * np.maximum(size[index], size[kept])
        if not (near | (overlap(seen.box_px[[index]], seen.box_px[kept])[0] > SAME_BOX)).any():
            kept.append(int(index))
    return seen[np.array(kept, int)]


def _whole(image: np.ndarray, side_px: int) -> np.ndarray:
    """(side, side, 3): the whole image in the upper left corner; averaged where it shrinks, since much of it is small."""
    scale = side_px / max(image.shape[:2])
    width, height = (max(1, round(length * scale)) for length in image.shape[1::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.zeros((side_px, side_px, 3), np.uint8)
    square[:height, :width] = cv2.resize(image, (width, height), interpolation=way)
    return square


def _of_rows(rows: np.ndarray, longest_px: int) -> Skeletons:
    """MultiPose's rows (AT_ONCE, 56) of one image; those who are nobody are left out."""
    rows = np.nan_to_num(np.asarray(rows, np.float64).reshape(-1, 3 * POINTS + 5))
    points = rows[:, : 3 * POINTS].reshape(-1, POINTS, 3)
    seen = Skeletons(longest_px * points[..., 1::-1], points[..., 2], longest_px * rows[:, [-4, -5, -2, -3]], rows[:, -1])
    return seen[seen.confidence >= LEAST_CONFIDENCE]

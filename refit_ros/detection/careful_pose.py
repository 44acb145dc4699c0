"""Points of people whom there is time to look at twice: single images, and those who are looked for thoroughly.

What a network says of a region and of its mirror image differs where it is unsure, so that both together are right more
often than either. And one that sees one person tells of the same one in two boxes where one of them hides the other:
MultiPose, which tells people apart, is asked for the one who fits the box.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from refit_ros.camera.geometry import apart_either_way, around, overlap
from refit_ros.detection.landmarks import SAME_PERSON
from refit_ros.detection.movenet import AROUND, MIRRORED, MultiPose, Points, SinglePose, points_of
from refit_ros.detection.regions import crops, from_boxes, to_image
from refit_ros.detection.rows import joined

AGREEING = 0.03  # of a region's side: who is so far from the surer of two looks counts half
WIDER = 1.6  # side of the region in which others are told from somebody, by their box's longer side
SIDE_PX = 256  # of what MultiPose sees of it
FITTING = 0.5  # overlap of a person's box with the one in which they were looked for


class CarefulPose:
    """Not for several threads at a time."""

    def __init__(self, single: SinglePose, several: MultiPose) -> None:
        self._single, self._several = single, several

    def in_boxes(self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray]) -> list[Points]:
        """Of one person in each box (N_i, 4) of each image (H, W, 3) uint8 RGB."""
        regions = [from_boxes(boxes, AROUND) for boxes in xyxy_px]
        looks = zip(
            self._single.in_regions(images, regions), self._single.in_regions(images, regions, mirrored=True), regions
        )
        seen = [of_two_looks(one, other, where[:, 2]) for one, other, where in looks]
        return [self._told_apart(*each) for each in zip(images, xyxy_px, seen)]

    def _told_apart(self, image: np.ndarray, xyxy_px: np.ndarray, seen: Points) -> Points:
        """The same; of those who were taken for somebody else, whose box fits better, what MultiPose tells."""
        fits = np.diagonal(overlap(xyxy_px, around(seen.place_px)))
        for index in np.argsort(fits, kind="stable"):
            same = _same(seen, index)
            if not same.any() or fits[same].max() < fits[index]:
                continue
            for other in self._others(image, xyxy_px[index]):
                instead = joined([seen[:index], other, seen[index + 1 :]])
                if not _same(instead, index).any():
                    seen = instead
                    break
        return seen

    def _others(self, image: np.ndarray, xyxy_px: np.ndarray) -> list[Points]:
        """Whoever can be the person in a box (4,), who fits it best first."""
        region = from_boxes(xyxy_px, WIDER)
        found = self._several.find(list(crops(image, region, SIDE_PX, cv2.BORDER_CONSTANT)), (SIDE_PX,))[0]
        where = np.repeat(region, len(found), axis=0)
        boxes = to_image(found.box_px.reshape(-1, 2, 2) / SIDE_PX, where).reshape(-1, 4)
        points = points_of(to_image(found.place_px / SIDE_PX, where), found.score)
        fits = overlap(xyxy_px, boxes)[0]
        return [points[[index]] for index in np.argsort(-fits, kind="stable") if fits[index] > FITTING]


def of_two_looks(one: Points, other: Points, side_px: np.ndarray) -> Points:
    """What two looks at the same N people say together, in regions of these sides (N,).

    Each point lies where the surer one has it, moved towards the other's as far as they agree. Where they do, it is as sure
    as both are on average; where they do not, not both can be right: of looks that are right with p > q, the first then is
    with p (1 - q) / (1 - p q).
    """
    place, score, trust = (
        np.stack([getattr(each, name) for each in (one, other)]) for name in ("place_px", "score", "trust")
    )
    surer = np.take_along_axis(place, trust.argmax(0)[None, ..., None], 0)
    off = np.linalg.norm(place - surer, axis=-1) / np.maximum(side_px, 1.0)[:, None]
    alike = 1 / (1 + (off / AGREEING) ** 2)
    weight = trust * alike
    weight /= weight.sum(0)
    p, q, agreed = trust.max(0), trust.min(0), alike.min(0)
    together = agreed * (p + q) / 2 + (1 - agreed) * p * (1 - q) / np.maximum(1 - p * q, 1e-6)
    return Points((weight[..., None] * place).sum(0), (weight * score).sum(0), together)


def _same(seen: Points, index: int) -> np.ndarray:
    """(N,) bool: the others who are the same person as one of them, whichever side was taken for which."""
    weight = seen.trust[index] * seen.trust
    same = apart_either_way(seen.place_px[index], seen.place_px, weight, MIRRORED) < SAME_PERSON
    same[index] = False
    return same

"""Finds people by MoveNet MultiPose: everybody in an image at once; those of whom it is not sure, where Thunder agrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import overlap
from refit_ros.detection.checked_landmarks import AROUND, likely_a_person
from refit_ros.detection.movenet import MULTIPOSE, SAME_BODY, SIDE_PX, THUNDER, MultiPose, Skeletons, Thunder
from refit_ros.detection.regions import WIDER, from_boxes
from refit_ros.models.files import is_there

LARGER_PX = (512, 1024)  # sides of the image in which those who are small are looked for
SURE = 0.35  # a confidence above which the second network is not asked
LEAST_CONFIDENCE = 0.15
AGREEING = SAME_BODY  # of a box's side: mean distance of the two networks' points
KNOWN = 0.5  # overlap with somebody who is followed


class CrowdDetector:
    """Not for several threads at a time."""

    def __init__(self, thorough: bool = True) -> None:
        """thorough: look at each image larger as well, which takes several times as long.

        Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
        """
        self._multipose, self._thunder, self._thorough = MultiPose(), Thunder(), thorough

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes in each image (H, W, 3) uint8 RGB."""
        return self.find_beside(images, ())

    def find_beside(self, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray]) -> list[Boxes]:
        """As `find`, of those who are not where people are known to be, boxes (M_i, 4)."""
        found = [self._seen(image) for image in images]
        for index, known in enumerate(known_px):
            found[index] = found[index][~(overlap(found[index].box_px, known) > KNOWN).any(1)]
        return [self._believed(image, seen) for image, seen in zip(images, found)]

    def _seen(self, image: np.ndarray) -> Skeletons:
        longest = max(image.shape[:2])
        larger = [side for side in LARGER_PX if self._thorough and side <= longest]
        (seen,) = self._multipose.find([image], (SIDE_PX, *larger))
        return seen[seen.confidence >= LEAST_CONFIDENCE]

    def _believed(self, image: np.ndarray, seen: Skeletons) -> Boxes:
        doubtful = np.flatnonzero(seen.confidence < SURE)
        sure = seen.confidence.copy()
        if len(doubtful):
            regions = from_boxes(seen.box_px[doubtful]) * [1, 1, AROUND / WIDER, 1]
            ((place_px, score),) = self._thunder.in_regions([image], [regions])
            weight = score * seen.score[doubtful]
            off = (np.linalg.norm(place_px - seen.place_px[doubtful], axis=2) * weight).sum(1) / np.maximum(
                weight.sum(1), 1e-6
            )
            agreed = off < AGREEING * (seen.box_px[doubtful, 2:] - seen.box_px[doubtful, :2]).max(1)
            sure[doubtful] = np.where(agreed, likely_a_person(score), 0.0)
        # A confidence is compared with a user's least one, which is meant for a scale on which one half is undecided.
        confidence = np.where(seen.confidence < SURE, sure, 0.5 + seen.confidence / 2)
        chosen = confidence > 0.5
        return Boxes(seen.box_px[chosen], confidence[chosen])


def crowds_can_be_seen() -> bool:
    """Whether the models lie there."""
    return is_there(MULTIPOSE) and is_there(THUNDER)

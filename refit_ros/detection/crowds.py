"""Finds people by MoveNet MultiPose: everybody in an image at once; those of whom it is not sure, where Thunder agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import mean_distance, overlap
from refit_ros.detection.checked_landmarks import MODELS
from refit_ros.detection.movenet import (
    AROUND,
    AT_ONCE,
    MULTIPOSE,
    SAME_BODY,
    SIDE_PX,
    THUNDER,
    MultiPose,
    SinglePose,
    Skeletons,
    distinct,
)
from refit_ros.detection.regions import begins, from_boxes, piece_side
from refit_ros.detection.rows import joined
from refit_ros.models.files import command, missing

LARGER_PX = (320, 512, 1024)  # sides of the image in which those are looked for who are small or seen unclearly
IN_PARTS_PX = (320, 512)  # sides of its parts
SURE = 0.35  # a confidence above which the second network is not asked
LEAST_CONFIDENCE = 0.15
AGREEING = SAME_BODY  # of a box's side: mean distance of the two networks' points
KNOWN = 0.5  # overlap with somebody who is followed
EDGE = 0.02  # of a part's side: who is nearer to it is cut by it
Part = tuple[int, int, int, int]
"""left, top, right, bottom, px"""
LOOKED_AT = 8  # every so many pixels of an image decide which part is looked at


class CrowdDetector:
    """Not for several threads at a time."""

    def __init__(self, thorough: bool = True, device: str = "cpu") -> None:
        """thorough: look at each image and all its parts larger as well, which takes many times as long; else at one part.
        device: of torch's, where the networks are computed.

        Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
        """
        self._multipose, self._thunder, self._thorough = MultiPose(device), SinglePose(THUNDER, device), thorough

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes in each image (H, W, 3) uint8 RGB."""
        return self.find_beside(images, ())

    def find_beside(self, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray]) -> list[Boxes]:
        """As `find`, of those who are not where people are known to be, boxes (M_i, 4)."""
        followed = [bool(len(known)) for known in known_px] or [False] * len(images)
        found = [self._seen(*each) for each in zip(images, followed)]
        for index, known in enumerate(known_px):
            found[index] = found[index][~(overlap(found[index].box_px, known) > KNOWN).any(1)]
        return [self._believed(image, seen) for image, seen in zip(images, found)]

    def _seen(self, image: np.ndarray, followed: bool = False) -> Skeletons:
        """followed: somebody is, so that a set in which is looked for others must not take long."""
        height, width = image.shape[:2]
        whole = 0, 0, width, height
        some = parts_of(whole)
        if self._thorough:
            sides_px = (SIDE_PX, *(side for side in LARGER_PX if side / 2 < max(width, height)))
            found = self._looked(image, [whole], sides_px) + self._looked(image, some, IN_PARTS_PX, closer=True)
        else:
            # Who is far is seen in one of the parts, sooner or later: which one follows from the image itself, so that the
            # same images have the same people, whoever looks at them and in which order.
            turn, chosen = divmod(crc32(image[::LOOKED_AT, ::LOOKED_AT].tobytes()), len(some))
            found = self._looked(image, [(whole, some[chosen])[turn % 2]] if followed else [whole, some[chosen]], (SIDE_PX,))
        seen = distinct(joined(found))
        return seen[seen.confidence >= LEAST_CONFIDENCE]

    def _looked(
        self, image: np.ndarray, some: Sequence[Part], sides_px: Sequence[int], closer: bool = False
    ) -> list[Skeletons]:
        """In each of some parts of an image, those who are whole in it. closer: where as many are seen as can be at once,
        parts of that part are looked at too."""
        cut = [np.ascontiguousarray(image[top:bottom, left:right]) for left, top, right, bottom in some]
        result = []
        for part, seen in zip(some, self._multipose.find(cut, sides_px)):
            if closer and len(seen) >= AT_ONCE:
                result += self._looked(image, parts_of(part), sides_px)
            offset = np.array(part[:2])
            seen = replace(seen, place_px=seen.place_px + offset, box_px=seen.box_px + np.tile(offset, 2))
            result.append(seen[~_cut_by(part, seen.box_px, image.shape)])
        return result

    def _believed(self, image: np.ndarray, seen: Skeletons) -> Boxes:
        doubtful = np.flatnonzero(seen.confidence < SURE)
        sure = seen.confidence.copy()
        if len(doubtful):
            regions = from_boxes(seen.box_px[doubtful], AROUND)
            (points,) = self._thunder.in_regions([image], [regions])
            off = mean_distance(points.place_px, seen.place_px[doubtful], points.score * seen.score[doubtful])
            agreed = off < AGREEING * (seen.box_px[doubtful, 2:] - seen.box_px[doubtful, :2]).max(1)
            sure[doubtful] = np.where(agreed, points.person, 0.0)
        # A confidence is compared with a user's least one, which is meant for a scale on which one half is undecided.
        confidence = np.where(seen.confidence < SURE, sure, 0.5 + seen.confidence / 2)
        chosen = confidence > 0.5
        return Boxes(seen.box_px[chosen], confidence[chosen])


def parts_of(part: Part) -> list[Part]:
    """Overlapping squares of half its longer side, that cover it; of a thin strip, pieces of its whole breadth."""
    left, top, right, bottom = part
    width, height = right - left, bottom - top
    side = min(-(-max(width, height) // 2), piece_side(width, height))
    across, down = min(side, width), min(side, height)
    lefts, tops = (begins(length, part).round().astype(int).tolist() for length, part in ((width, across), (height, down)))
    return [(left + x, top + y, left + x + across, top + y + down) for y in tops for x in lefts]


def _cut_by(part: Part, boxes_px: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(N,) whether a box reaches to a side of the part that is none of the image: that person is whole elsewhere."""
    left, top, right, bottom = part
    near = EDGE * (right - left)
    inner = [left > 0, top > 0, right < shape[1], bottom < shape[0]]
    reaches = [
        boxes_px[:, 0] < left + near,
        boxes_px[:, 1] < top + near,
        boxes_px[:, 2] > right - near,
        boxes_px[:, 3] > bottom - near,
    ]
    return np.any([side & there for side, there in zip(inner, reaches)], axis=0)


def without_crowds_note() -> str:
    """What to tell whoever looks at photographs without MoveNet; empty where it is there."""
    absent = missing(MULTIPOSE, *MODELS)
    if not absent:
        return ""
    return f"MoveNet is not there, so people in crowds and half hidden are mostly not found: `{command(*absent)}` gets it"


def crowds_can_be_seen() -> bool:
    """Whether the models lie there."""
    return not missing(MULTIPOSE, THUNDER)

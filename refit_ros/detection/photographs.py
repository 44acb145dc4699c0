"""Finds people in photographs: what two detectors propose, each of them confirmed by its landmarks.

BlazePose's detector finds one near person well. So it looks at the whole image and, where there is time, at overlapping
squares of it, in which those who are far are near; another detector may propose more. A proposal is only believed where
the landmark network says that this is a person and sees them clearly.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import mean_distance, overlap
from refit_ros.detection.blazepose import SIDE_PX, BlazePoseDetector
from refit_ros.detection.crowds import CrowdDetector
from refit_ros.detection.landmarks import PERSON, LandmarkNetwork, Landmarks
from refit_ros.detection.protocol import Detector, nobody
from refit_ros.detection.regions import begins, crops, from_boxes, piece_side, to_image
from refit_ros.models.files import command, missing

MODELS = ("pose_detection", "pose_landmark_full")
TILE = 0.5  # side of the smaller squares in sides of the largest one that fits into the image
LEAST_CANDIDATE = 0.4
LEAST_PROPOSED = 0.25
LEAST_HEAT = 0.62  # mean over a person's visible landmarks: of people mostly above 0.64, of what is none mostly below 0.5
MOST_CANDIDATES = 24
SAME_PLACE = 0.15  # candidates whose middles are nearer, in sides of a region, and whose sizes differ little are one
SAME_SIZE = 1.5
SAME_AS_KNOWN = 0.2  # likewise, of a candidate and of somebody who is followed
SAME_BODY = 0.08  # people whose visible landmarks are on average nearer, in sides of a region, are one
SAME_BOX = 0.7
SAME_AS_FOUND = 0.5  # overlap with a box of the other detector
LEAST_VISIBLE = 0.5  # of a landmark that bounds a box
FEWEST_VISIBLE = 6
MARGIN = 0.06  # of a box's longer side: landmarks lie inside the body
_HEAD = (7, 8)  # ears
_SHOULDERS = (11, 12)
_CROWN = 0.55  # the crown's height above the ears, by the ears' above the shoulders


class PhotographDetector:
    """Finds people with BlazePose's detector and landmark networks."""

    def __init__(
        self,
        other: Detector | None = None,
        thorough: bool = True,
        crowds: CrowdDetector | None = None,
        device: str = "cpu",
    ) -> None:
        """other: proposes too. thorough: look at parts of the image as well, which takes several times as long.
        crowds: looks first, at everybody at once. device: of torch's, where the networks are computed.

        Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
        """
        self._detector, self._landmarks = BlazePoseDetector(device), LandmarkNetwork("full", device)
        self._other, self._thorough, self._crowds = other, thorough, crowds

    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes in each image (H, W, 3) uint8 RGB; may reach over its edges."""
        return self.find_beside(images, ())

    def find_beside(self, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray]) -> list[Boxes]:
        """As `find`, of those who are not where people are known to be, boxes (M_i, 4) around their landmarks.

        Most of the time goes into confirming a candidate, and while everybody is followed there is nobody to confirm.
        """
        if self._crowds is None:
            return self._found(images, known_px)
        found = self._crowds.find_beside(images, known_px)
        known = [np.concatenate([boxes.xyxy_px, *known_px[index : index + 1]]) for index, boxes in enumerate(found)]
        return [_with_more(*each) for each in zip(found, self._found(images, known))]

    def _found(self, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray]) -> list[Boxes]:
        people = self.find_people(images, known_px)
        return [boxes_of(each, image.shape) if len(each) else nobody() for each, image in zip(people, images)]

    def find_people(self, images: Sequence[np.ndarray], known_px: Sequence[np.ndarray] = ()) -> list[Landmarks]:
        """The landmarks of those found in each image, the surest first."""
        regions = self._candidates(images)
        for index, known in enumerate(known_px):
            regions[index] = regions[index][~_taken(regions[index], known)]
        seen = [each[each.flag > PERSON] for each in self._landmarks.in_regions(images, regions)]
        again = self._landmarks.in_regions(images, [each.next_region for each in seen])
        return [apart(each[plausible(each, image.shape)]) for each, image in zip(again, images)]

    def _candidates(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Regions (N, 4) in each image where somebody may be, those of one person made one."""
        all_squares = [squares(image.shape[1], image.shape[0], self._thorough) for image in images]
        pixels = [crops(image, each, SIDE_PX, cv2.BORDER_CONSTANT) for image, each in zip(images, all_squares)]
        found = iter(self._detector.find(np.concatenate(pixels), LEAST_CANDIDATE) if pixels else [])
        proposed = self._other.find(images) if self._other is not None else [nobody()] * len(images)
        result = []
        for each, others in zip(all_squares, proposed):
            score, regions = [np.zeros(0)], [np.zeros((0, 4))]
            for square in each:
                some = next(found)
                region = some.region * [1, 1, square[2] / SIDE_PX, 1]
                region[:, :2] = to_image(some.region[None, :, :2] / SIDE_PX, square[None])[0]
                score.append(some.confidence)
                regions.append(region)
            # Those of the other detector are boxes, which say less of where a body is: they come after.
            result.append(
                np.concatenate(
                    [
                        _distinct(np.concatenate(score), np.concatenate(regions)),
                        from_boxes(others.xyxy_px[others.confidence > LEAST_PROPOSED][:MOST_CANDIDATES]),
                    ]
                )
            )
        return result


def squares(width: int, height: int, parts: bool = True) -> np.ndarray:
    """Where to look (N, 4), as regions: the whole image, and overlapping squares of two sizes."""
    whole = [[width / 2, height / 2, max(width, height), 0.0]]
    largest = piece_side(width, height)
    for side in (largest, TILE * largest) if parts else ():
        if side < 0.95 * max(width, height):
            xs, ys = (begins(length, side) + side / 2 for length in (width, height))
            whole += [[x, y, side, 0.0] for y in ys for x in xs]
    return np.array(whole)


def _distinct(score: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The best of each heap of regions (N, 4), at most MOST_CANDIDATES."""
    kept: list[np.ndarray] = []
    for index in np.argsort(-score, kind="stable"):
        x, y, side, _ = regions[index]
        for other in kept:
            near = np.hypot(x - other[0], y - other[1]) < SAME_PLACE * max(side, other[2])
            if near and 1 / SAME_SIZE < side / other[2] < SAME_SIZE:
                break
        else:
            kept.append(regions[index])
        if len(kept) == MOST_CANDIDATES:
            break
    return np.array(kept).reshape(-1, 4)


def _taken(regions: np.ndarray, known_px: np.ndarray) -> np.ndarray:
    """(N,) whether a region (N, 4) is that of somebody whose box (M, 4) is known: near it, and about as large."""
    own = from_boxes(known_px)
    larger = np.maximum(regions[:, None, 2], own[None, :, 2])
    near = np.linalg.norm(regions[:, None, :2] - own[None, :, :2], axis=2) < SAME_AS_KNOWN * larger
    return (near & (larger < SAME_SIZE * np.minimum(regions[:, None, 2], own[None, :, 2]))).any(1)


def plausible(people: Landmarks, shape: tuple[int, ...]) -> np.ndarray:
    """(N,) whether this is somebody: the flag says so, enough of them is seen inside the image, and that clearly."""
    return (people.flag > PERSON) & (_shown(people, shape).sum(1) >= FEWEST_VISIBLE) & (clarity(people, shape) > LEAST_HEAT)


def clarity(people: Landmarks, shape: tuple[int, ...]) -> np.ndarray:
    """(N,) 0 .. 1: the mean heat of the landmarks that are visible in the image."""
    shown = _shown(people, shape)
    return (people.heat * shown).sum(1) / np.maximum(shown.sum(1), 1)


def _shown(people: Landmarks, shape: tuple[int, ...]) -> np.ndarray:
    """(N, 33): landmarks that are visible in the image."""
    inside = np.logical_and.reduce((people.place_px > 0) & (people.place_px < [shape[1], shape[0]]), axis=-1)
    return inside & (people.visibility > LEAST_VISIBLE)


def apart(people: Landmarks) -> Landmarks:
    """The surest of those who are the same person, the surest first."""
    kept: list[int] = []
    sure = people.heat.mean(1)
    boxes = np.concatenate([people.place_px.min(1, initial=1e6), people.place_px.max(1, initial=-1e6)], 1)
    for index in np.argsort(-sure, kind="stable"):
        for other in kept:
            weight = people.visibility[index] * people.visibility[other]
            off = mean_distance(people.place_px[index], people.place_px[other], weight)
            near = off < SAME_BODY * max(people.region[index, 2], people.region[other, 2])
            if near or overlap(boxes[[index]], boxes[[other]])[0, 0] > SAME_BOX:
                break
        else:
            kept.append(int(index))
    return people[np.array(kept, int)]


def _with_more(found: Boxes, more: Boxes) -> Boxes:
    """Those of two detectors, who both have found the first one's once."""
    new = ~(overlap(more.xyxy_px, found.xyxy_px) > SAME_AS_FOUND).any(1)
    return Boxes(
        np.concatenate([found.xyxy_px, more.xyxy_px[new]]), np.concatenate([found.confidence, more.confidence[new]])
    )


def boxes_of(people: Landmarks, shape: tuple[int, ...]) -> Boxes:
    """Around what is seen of each."""
    shown = _shown(people, shape)
    points, crown = people.place_px, _crown(people)
    far = np.where(shown[..., None], points, np.nan)
    low, high = np.nanmin(far, 1), np.nanmax(far, 1)
    with_head = np.any(shown[:, _HEAD], axis=1, keepdims=True)
    low, high = np.where(with_head, np.minimum(low, crown), low), np.where(with_head, np.maximum(high, crown), high)
    margin = MARGIN * (high - low).max(1, keepdims=True)
    return Boxes(np.concatenate([low - margin, high + margin], 1), clarity(people, shape))


def _crown(people: Landmarks) -> np.ndarray:
    """(N, 2) px: where the head ends."""
    ears, shoulders = (people.place_px[:, pair].mean(1) for pair in (_HEAD, _SHOULDERS))
    return ears + _CROWN * (ears - shoulders)


def without_photographs_note() -> str:
    """What to tell whoever looks at photographs without these models; empty where all is well."""
    from importlib.util import find_spec

    absent = missing(*MODELS)
    if absent:
        return (
            f"{' and '.join(each.name for each in absent)} not there, so people in photographs are mostly not found: "
            f"`{command(*absent)}` gets them"
        )
    if find_spec("openvino") is None:
        return "openvino is not installed, so people in photographs are mostly not found: pip install openvino"
    return ""

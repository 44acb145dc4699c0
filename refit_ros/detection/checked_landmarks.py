"""BlazePose's landmarks beside MoveNet's points of the same person: each says what it is better at.

MoveNet's points lie closer to the truth and are hardly ever exchanged or upside down: of 960 points of a man who balances
(frames 0, 5, ... of a real recording, four cameras) 0.1 % of Thunder's lay more than a tenth of the region off, of BlazePose
`full`'s 6.2 %. So the 17 points that it has are its own, and BlazePose gives hands, feet and the face beside them, as far as
the two agree. Its places in 3D are left out: beside such points they made single views worse (docs/real.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from refit_ros.core.landmarks import COCO_17, LANDMARK_INDEX
from refit_ros.detection.careful_pose import CarefulPose
from refit_ros.detection.keypoint_layouts import NEAREST
from refit_ros.detection.landmarks import PERSON, LandmarkNetwork, Landmarks, as_clear_as
from refit_ros.detection.movenet import AROUND, LIGHTNING, MULTIPOSE, THUNDER, MultiPose, Points, SinglePose
from refit_ros.detection.regions import from_boxes
from refit_ros.detection.rows import joined
from refit_ros.models.files import missing

MODELS = (THUNDER, LIGHTNING)
AGREEING = 0.05  # of a region's side: half believed
LEAST_AGREEMENT = 0.5  # weighted mean over the points: below, BlazePose has looked at something else
# Lightning's mean trust in somebody's points: below, Thunder looks instead. Of who is followed and in sight it sees as much,
# and less of who is cut or half hidden.
PLAIN = 0.6

_OWN = np.array([LANDMARK_INDEX[name] for name in COCO_17])
_NEAREST = NEAREST["coco"]


class CheckedLandmarks:
    """A `LandmarkSource` (estimation/eyes.py)."""

    def __init__(
        self,
        landmarks: LandmarkNetwork,
        thunder: SinglePose,
        lightning: SinglePose,
        careful: CarefulPose | None = None,
    ) -> None:
        """careful: looks instead of Thunder at those of whom nothing is known, where there is time."""
        self._landmarks, self._thunder, self._lightning, self._careful = landmarks, thunder, lightning, careful
        # One crop keeps one core busy in either network; together they take little longer than the slower one alone.
        self._beside = ThreadPoolExecutor(1, "landmarks") if torch.get_num_threads() > 1 else None

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks:
        """As `LandmarkNetwork.in_boxes`."""
        return self.in_turned_boxes([image], [xyxy_px], [np.full(len(xyxy_px), np.nan)])[0]

    def in_turned_boxes(
        self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Landmarks]:
        """As `LandmarkNetwork.in_turned_boxes`."""
        beside = None if self._beside is None else self._beside.submit(self._points, images, xyxy_px, turned_rad)
        found = self._landmarks.in_turned_boxes(images, xyxy_px, turned_rad)
        points = self._points(images, xyxy_px, turned_rad) if beside is None else beside.result()
        return [checked(*each) for each in zip(found, points)]

    def _points(
        self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Points]:
        """Lightning's of those who are known, Thunder's of whom it does not see plainly, and of the others Thunder's too or,
        where there is time, a careful look's."""
        regions = [from_boxes(boxes, AROUND) for boxes in xyxy_px]
        for own, turns in zip(regions, turned_rad):
            own[:, 3] = np.nan_to_num(turns)
        known = [np.flatnonzero(np.isfinite(turns)) for turns in turned_rad]
        quick = self._lightning.in_regions(images, [own[some] for own, some in zip(regions, known)])
        plain = [some[each.trust.mean(1) > PLAIN] for some, each in zip(known, quick)]
        quick = [each[each.trust.mean(1) > PLAIN] for each in quick]
        new = [np.flatnonzero(~np.isfinite(turns)) if self._careful else np.zeros(0, int) for turns in turned_rad]
        careful = [each[:0] for each in quick]
        if self._careful:
            careful = self._careful.in_boxes(images, [boxes[some] for boxes, some in zip(xyxy_px, new)])
        others = [np.setdiff1d(np.arange(len(own)), np.concatenate(each)) for own, *each in zip(regions, plain, new)]
        slow = self._thunder.in_regions(images, [own[some] for own, some in zip(regions, others)])
        order = [np.argsort(np.concatenate(each)) for each in zip(plain, new, others)]
        return [joined(each)[some] for some, *each in zip(order, quick, careful, slow)]

    def with_care(self) -> CheckedLandmarks:
        """The same networks, looking twice at those of whom nothing is known. Raises as `usual_landmarks`."""
        if self._careful or missing(MULTIPOSE):
            return self
        return CheckedLandmarks(
            self._landmarks, self._thunder, self._lightning, CarefulPose(self._thunder, MultiPose(self._thunder.device))
        )


def checked(found: Landmarks, points: Points) -> Landmarks:
    """BlazePose's landmarks of N people and MoveNet's points of the same, as one."""
    if not len(found):
        return found
    off = np.linalg.norm(found.place_px[:, _OWN] - points.place_px, axis=2) / found.region[:, 2:3]
    close = points.trust / (1 + (off / AGREEING) ** 2)
    agreed = close.sum(1) / points.trust.sum(1) > LEAST_AGREEMENT
    trust = found.trust * close[:, _NEAREST]
    trust[:, _OWN] = points.trust
    visibility, heat = as_clear_as(trust)
    places = found.place_px.copy()
    places[:, _OWN] = points.place_px
    return replace(
        found,
        place_px=places,
        visibility=visibility,
        heat=heat,
        place_m=np.zeros_like(found.place_m),  # nothing is known
        flag=np.where(agreed & (found.flag > PERSON), np.maximum(found.flag, points.person), points.person),
    )


def usual_landmarks(kind: str = "full", thorough: bool = False, device: str = "cpu") -> LandmarkNetwork | CheckedLandmarks:
    """BlazePose's network of this kind (`landmarks.KINDS`), with MoveNet beside it where its models are there.

    thorough: there is time to look twice (`registry.is_thorough`). device: of torch's, where the networks are computed.
    Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence.
    """
    landmarks = LandmarkNetwork(kind, device)
    if missing(*MODELS):
        return landmarks
    source = CheckedLandmarks(landmarks, SinglePose(THUNDER, device), SinglePose(LIGHTNING, device))
    return source.with_care() if thorough else source

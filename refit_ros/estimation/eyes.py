"""Who looks at images: here, or on other machines. All that an estimator knows of an image it asks of its eyes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from refit_ros.camera import crops as cropping
from refit_ros.camera.boxes import Boxes
from refit_ros.camera.views import Camera, image_of
from refit_ros.core.inference import Prepared
from refit_ros.core.refit import Features, Refit
from refit_ros.detection.keypoint_layouts import as_landmarks
from refit_ros.detection.landmarks import Landmarks, with_trust
from refit_ros.detection.protocol import Detector, found_beside
from refit_ros.detection.rows import joined
from refit_ros.estimation.evidence_arrays import as_sent
from refit_ros.estimation.keypoint_people import different_people
from refit_ros.estimation.occlusion import hide, painted
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence, in_halves, square_of

NO_ANSWER = "what it shows did not come in time"


class Eyes(Protocol):
    """Answers about the images of one set.

    Regions are crops of the square-pixel image for eyes that give features, boxes in the raw image for those that give
    landmarks.
    """

    sends: bool  # what images show comes from elsewhere: less than all of it is worth asking for, where that will do

    def searches(self, search: Search) -> bool:
        """Whether there is anybody to look for people in this way."""
        ...

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        """By index of the camera. Those of whom nothing came are missing: they may be on another machine."""
        ...

    def expect(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], in_s: float) -> None:
        """What will be asked of the images that these cameras should take so long after their last ones."""
        ...


class LocalEyes:
    """The detectors, and what is common to both kinds of evidence. Images are this process's own."""

    sends = False

    def __init__(self, detectors: Mapping[Search, Detector]) -> None:
        self._detectors = dict(detectors)

    def searches(self, search: Search) -> bool:
        return search in self._detectors

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        boxes: dict[int, Boxes] = {}
        for search, detector in self._detectors.items():
            asked = [index for index, one in wanted.items() if one.search == search]
            if asked:
                images = [image_of(cameras[index]) for index in asked]
                boxes.update(zip(asked, found_beside(detector, images, [wanted[index].known_px for index in asked])))
        return self._closer(cameras, wanted, boxes)

    def expect(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], in_s: float) -> None:
        """Nothing is done sooner: images come here with the question."""

    def _closer(
        self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], boxes: Mapping[int, Boxes]
    ) -> dict[int, ViewEvidence]:
        return {index: ViewEvidence(boxes.get(index)) for index in wanted}


class FeatureEyes(LocalEyes):
    """Gives the network's features of crops, all of a call as one batch."""

    def __init__(self, network: Refit | Prepared, detectors: Mapping[Search, Detector]) -> None:
        super().__init__(detectors)
        self._network = network
        self._device = next(network.parameters()).device

    def _closer(
        self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], boxes: Mapping[int, Boxes]
    ) -> dict[int, ViewEvidence]:
        owners = [index for index, one in wanted.items() for _ in one.regions_px]
        features = self._features(cameras, wanted, owners) if owners else None
        seen, begin = {}, 0
        for index, one in wanted.items():
            end = begin + len(one.regions_px)
            own = None
            if features is not None and end > begin:
                own = in_halves(Features(features.maps[begin:end], features.pooled[begin:end]))
            seen[index] = ViewEvidence(boxes.get(index), own)
            begin = end
        return seen

    @torch.inference_mode()
    def _features(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], owners: list[int]) -> Features:
        images = cropping.images_of_all(
            [image_of(cameras[index]) for index in owners],
            [cameras[index].calibration for index in owners],
            [square_of(region) for one in wanted.values() for region in one.regions_px],
            self._network.config.image_size,
            self._device,
        )
        hide(images, [mask for one in wanted.values() for mask in one.masks or (None,) * len(one.regions_px)])
        return self._network.encode(images)


class LandmarkSource(Protocol):
    """Finds 33 landmarks of the people in boxes (N, 4) px of an image; see `detection.landmarks.LandmarkNetwork`.

    It may have `in_turned_boxes` too: then it is asked of all images at once, and told how people are turned who are known.
    """

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray) -> Landmarks: ...


class LandmarkEyes(LocalEyes):
    """Gives landmarks of the people in boxes, each person once."""

    def __init__(self, landmarks: LandmarkSource, detectors: Mapping[Search, Detector]) -> None:
        super().__init__(detectors)
        self._landmarks = landmarks

    def _closer(
        self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation], boxes: Mapping[int, Boxes]
    ) -> dict[int, ViewEvidence]:
        asked = [index for index, one in wanted.items() if len(one.regions_px) and cameras[index].keypoints is None]
        found = dict(
            zip(asked, self._look([image_of(cameras[index]) for index in asked], [wanted[index] for index in asked]))
        )
        landmarks = {index: as_sent(with_trust(one[different_people(one)])) for index, one in found.items()}
        landmarks |= given_landmarks(cameras, wanted)
        return {index: ViewEvidence(boxes.get(index), landmarks=landmarks.get(index)) for index in wanted}

    def _look(self, images: Sequence[np.ndarray], wanted: Sequence[Expectation]) -> list[Landmarks]:
        if not images:
            return []
        looks = [look for index, each in enumerate(zip(images, wanted)) for look in _looks(index, *each)]
        found = self._in_boxes(*zip(*((look.image, look.regions_px, look.turned_rad) for look in looks)))
        owners = np.array([look.owner for look in looks])
        return [joined([found[row] for row in np.flatnonzero(owners == index)]) for index in range(len(images))]

    def _in_boxes(
        self, images: Sequence[np.ndarray], regions_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Landmarks]:
        in_turned_boxes = getattr(self._landmarks, "in_turned_boxes", None)
        if in_turned_boxes is None:
            return [self._landmarks.in_boxes(*each) for each in zip(images, regions_px)]
        return in_turned_boxes(images, regions_px, turned_rad)


class GivenEyes(LocalEyes):
    """Landmarks are those of keypoints that come with the images; nobody looks here."""

    def __init__(self) -> None:
        super().__init__({})

    def look(self, cameras: Sequence[Camera], wanted: Mapping[int, Expectation]) -> dict[int, ViewEvidence]:
        """Everybody who was given, whatever regions are asked about; of images without keypoints nothing."""
        return {index: ViewEvidence(None, landmarks=one) for index, one in given_landmarks(cameras, wanted).items()}


def given_landmarks(cameras: Sequence[Camera], wanted: Iterable[int]) -> dict[int, Landmarks]:
    """By index of the camera, of those whose keypoints came with the image: everybody, each once."""
    given = {index: cameras[index].keypoints for index in wanted}
    found = {index: with_trust(as_landmarks(one)) for index, one in given.items() if one is not None}
    return {index: as_sent(one[different_people(one)]) for index, one in found.items()}


@dataclass(frozen=True)
class _Look:
    """At regions of one picture of a camera's image."""

    owner: int  # whose image it is
    image: np.ndarray
    regions_px: np.ndarray  # (N, 4)
    turned_rad: np.ndarray  # (N,) NaN: not known


def _looks(owner: int, image: np.ndarray, wanted: Expectation) -> list[_Look]:
    """All regions in the image as it is, but those that show others too: each of these with the others painted over."""
    count = len(wanted.regions_px)
    turned_rad = wanted.turned_rad if len(wanted.turned_rad) else np.full(count, np.nan)
    masks = wanted.masks or (None,) * count
    plain = np.array([mask is None for mask in masks])
    looks = [_Look(owner, image, wanted.regions_px[plain], turned_rad[plain])] if plain.any() else []
    for region_px, turn_rad, mask in zip(wanted.regions_px, turned_rad, masks):
        if mask is not None:
            looks.append(_Look(owner, painted(image, region_px, mask), region_px[None], turn_rad[None]))
    return looks

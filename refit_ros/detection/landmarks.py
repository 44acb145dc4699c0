"""BlazePose's landmarks of people whose boxes are known: places in the image and in 3D, and whether it is a person.

After the published graph of MediaPipe's pose solution (Apache-2.0; pbtxt files of mediapipe 0.10.21): the same crops,
decoding, refinement on heatmaps and next region. docs/models.md states how far the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refit_ros.detection.regions import beyond_edge, crops, from_boxes, from_points, to_image, turned
from refit_ros.detection.rows import Rows, joined
from refit_ros.detection.tflite import tflite_network

KINDS = ("lite", "full", "heavy")
COUNT = 33  # landmarks that are given on; two more say where the body is, four are not used
_MIDDLE, _CIRCLE = 33, 34
PERSON = 0.5  # a flag above this: this is a person
SAME_PERSON = 0.08  # landmarks that are on average nearer, in sizes, are of one person
MOST_AT_ONCE = 8  # crops in one call: more gain nothing and take memory
_KERNEL = 9  # heatmap pixels around a landmark that refine it
_LEAST_HEAT = 0.5
_FEWEST = 6  # landmarks
OUTLINE = 256, 256, 1  # of the output that tells body and background apart
_DISCORD, _LEAN = 2.0, 0.1  # how it counts beside the clearness, and a region's angle: who can be upright is so
_DIM = 0.5  # mean heat over the landmarks that are visible; of what is no person it is mostly below
_LOOKED_AT_AGAIN = 3  # of one box's regions


_TRUST = (-3.6, 5.3, 1.79)


@dataclass(frozen=True)
class Landmarks(Rows):
    """Of N people, BlazePose's 33 landmarks in its order (nose, eyes, ears, mouth, shoulders, ... , feet)."""

    place_px: np.ndarray  # (N, 33, 2) in the raw image, may lie outside
    visibility: np.ndarray  # (N, 33) 0 .. 1: in the image and not hidden
    presence: np.ndarray  # (N, 33) 0 .. 1: in the region
    place_m: np.ndarray  # (N, 33, 3) about the hips' middle, axes as the camera's (x right, y down, z away); guessed
    flag: np.ndarray  # (N,) 0 .. 1: this is a person; easily deceived
    heat: np.ndarray  # (N, 33) 0 .. 1: the peak of each landmark's heatmap, high where it is seen clearly
    region: np.ndarray  # (N, 4) where it was looked: x, y, side (px), angle (rad)
    next_region: np.ndarray  # (N, 4) where to look in the next image

    @property
    def trust(self) -> np.ndarray:
        """(N, 33) 0 .. 1: that a landmark lies within 6 % of the region's side of the truth.

        A logistic regression on 131 drawn people whose images ended somewhere below the head: the heat says much more of
        that than the visibility does (area under the curve 0.89 and 0.79). What is cut off has a visibility as high as 1.
        """
        bias, by_heat, by_visibility = _TRUST
        return _sigmoid(bias + by_heat * self.heat + by_visibility * self.visibility)

    @property
    def clearness(self) -> np.ndarray:
        """(N,) 0 .. 1: the heat of what is visible. Whoever hardly shows anything is not clear."""
        return (self.heat * self.visibility).sum(1) / np.maximum(self.visibility.sum(1), _FEWEST)

    @property
    def discord(self) -> np.ndarray:
        """(N,) how far the landmarks in the image are from those in 3D, seen from far away, in shares of their spread."""
        weight = (self.trust / np.maximum(self.trust.sum(1, keepdims=True), 1e-6))[..., None]
        seen, told = (points - (weight * points).sum(1, keepdims=True) for points in (self.place_px, self.place_m[..., :2]))
        spread = (weight * seen**2).sum((1, 2))
        scale = (weight * seen * told).sum((1, 2)) / np.maximum((weight * told**2).sum((1, 2)), 1e-9)
        off = (weight * (seen - scale[:, None, None] * told) ** 2).sum((1, 2))
        return np.sqrt(off / np.maximum(spread, 1e-9))


def as_clear_as(trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Visibility and heat of landmarks that another network has found, as BlazePose would have them at this trust."""
    bias, by_heat, by_visibility = _TRUST
    visibility = (trust > 0.5).astype(float)
    odds = np.clip(trust, 1e-6, 1 - 1e-6)
    heat = (np.log(odds / (1 - odds)) - bias - by_visibility * visibility) / by_heat
    return visibility, np.clip(heat, 0.0, 1.0)


def with_trust(found: Landmarks) -> Landmarks:
    """The same, the trust in the place of the visibility: what a fit and what is said of it go by."""
    return replace(found, visibility=found.trust)


def no_landmarks() -> Landmarks:
    """Of nobody."""
    shapes = (COUNT, 2), (COUNT,), (COUNT,), (COUNT, 3), (), (COUNT,), (4,), (4,)
    return Landmarks(*(np.zeros((0, *shape)) for shape in shapes))


class LandmarkNetwork:
    """BlazePose `lite`, `full` or `heavy`."""

    def __init__(self, kind: str = "full", device: str = "cpu") -> None:
        """device: of torch's, where the network is computed.

        Raises ModelMissing, ModelDamaged, ImportError or ValueError with a sentence."""
        if kind not in KINDS:
            raise ValueError(f"there are no '{kind}' landmarks; choose from {', '.join(KINDS)}")
        self.kind = kind
        self._network = tflite_network(f"pose_landmark_{kind}", device=device, unread=[OUTLINE])

    def in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray, passes: int = 2) -> Landmarks:
        """Landmarks of the people in boxes (N, 4) of an image (H, W, 3) uint8 RGB.

        passes: a box says nothing of how a person leans or what is hidden, so that each further pass looks where the one
        before has found the body; a region in which nobody is seen is kept. A box that ends at the image's edge is looked
        into in larger regions too, and what is seen most clearly and is at one with itself is taken.
        """
        return _unless_dim(self._in_boxes(image, xyxy_px, passes))

    def _in_boxes(self, image: np.ndarray, xyxy_px: np.ndarray, passes: int) -> Landmarks:
        xyxy_px = np.asarray(xyxy_px, np.float64).reshape(-1, 4)
        height, width = image.shape[:2]
        more = [beyond_edge(box, width, height) for box in xyxy_px]
        regions = np.concatenate([from_boxes(xyxy_px), *more])
        owner = np.concatenate([np.arange(len(xyxy_px)), *(np.full(len(each), index) for index, each in enumerate(more))])
        found = self.in_regions([image], [regions])[0]
        for _ in range(passes - 1):
            kept = np.concatenate(
                [_clearest(found, np.flatnonzero(owner == index)) for index in range(len(xyxy_px))] or [owner]
            )
            found, owner = found[kept], owner[kept]
            found = self.in_regions([image], [_where_next(found)])[0]
        best = [_clearest(found, np.flatnonzero(owner == index))[0] for index in range(len(xyxy_px))]
        return found[np.array(best, int)]

    def in_turned_boxes(
        self, images: Sequence[np.ndarray], xyxy_px: Sequence[np.ndarray], turned_rad: Sequence[np.ndarray]
    ) -> list[Landmarks]:
        """As `in_boxes`, for boxes (N_i, 4) in each image, of people who are known to be turned in it by so much (N_i,),
        clockwise, NaN: not known.

        Who is known needs one pass; all images' go through the network together.
        """
        regions = [from_boxes(boxes) for boxes in xyxy_px]
        for image, boxes, own, turns in zip(images, xyxy_px, regions, turned_rad):
            known = np.isfinite(turns)
            own[known, 3] = turns[known]
            if not known.all():
                first = self._in_boxes(image, boxes[~known], passes=1)
                own[~known] = _where_next(first)
        return [_unless_dim(each) for each in self.in_regions(images, regions)]

    def in_regions(self, images: Sequence[np.ndarray], regions: Sequence[np.ndarray], passes: int = 1) -> list[Landmarks]:
        """Landmarks for the regions (N_i, 4) of each image; all images' together in few calls."""
        counts = np.cumsum([len(each) for each in regions])[:-1]
        now = [np.asarray(each, np.float64).reshape(-1, 4) for each in regions]
        found = self._look(images, now)
        for _ in range(passes - 1):
            found = self._look(images, np.split(_where_next(found), counts))
        return [found[index] for index in np.split(np.arange(len(found)), counts)]

    def _look(self, images: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> Landmarks:
        side = self._network.side_px
        cut = [crops(image, each, side) for image, each in zip(images, regions) if len(each)]
        where = np.concatenate([np.zeros((0, 4)), *regions])
        pixels = np.concatenate(cut) if cut else np.zeros((0, side, side, 3), np.uint8)
        parts = [
            decoded(*self._run(pixels[begin : begin + MOST_AT_ONCE]), where[begin : begin + MOST_AT_ONCE], side)
            for begin in range(0, max(len(pixels), 1), MOST_AT_ONCE)
        ]
        return joined(parts)

    def _run(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if not len(pixels):
            return np.zeros((0, 195)), np.zeros((0, 1)), np.zeros((0, 64, 64, 39)), np.zeros((0, 117))
        outputs = {output.shape[1:]: output for output in self._network(pixels.astype(np.float32) / 255)}
        return outputs[195,], outputs[1,], outputs[64, 64, 39], outputs[117,]


def _unless_dim(found: Landmarks) -> Landmarks:
    """The same; those of whom nothing is seen clearly are said to be nobody."""
    visible = found.visibility > 0.5
    mean = (found.heat * visible).sum(1) / np.maximum(visible.sum(1), 1)
    return replace(found, flag=np.where(visible.any(1) & (mean <= _DIM), 0.0, found.flag))


def _where_next(found: Landmarks) -> np.ndarray:
    """(N, 4): where a further pass looks."""
    return np.where((found.flag > PERSON)[:, None], found.next_region, found.region)


def _clearest(found: Landmarks, some: np.ndarray) -> np.ndarray:
    """Those of some (indices) that are looked at again, the best first: who is squeezed into a region is as clear at times,
    but lies in the image unlike in 3D."""
    score = found.clearness - _DISCORD * found.discord - _LEAN * np.abs(found.region[:, 3])
    return some[np.argsort(-score[some], kind="stable")][:_LOOKED_AT_AGAIN]


def decoded(
    rows: np.ndarray, flag: np.ndarray, heat: np.ndarray, metres: np.ndarray, region: np.ndarray, side_px: int
) -> Landmarks:
    """The network's outputs (N, 39 * 5), (N, 1), (N, h, w, 39), (N, 39 * 3) for regions (N, 4)."""
    rows = np.asarray(rows, np.float64).reshape(-1, 39, 5)
    share = refined(rows[..., :2] / side_px, np.asarray(heat))
    place = to_image(share, region)
    about = turned(np.asarray(metres, np.float64).reshape(-1, 39, 3), region[:, 3])
    return Landmarks(
        place_px=place[:, :COUNT],
        visibility=_sigmoid(rows[:, :COUNT, 3]),
        presence=_sigmoid(rows[:, :COUNT, 4]),
        place_m=about[:, :COUNT],
        flag=np.asarray(flag, np.float64).reshape(-1),
        heat=_sigmoid(np.asarray(heat[..., :COUNT]).max((1, 2), initial=-50.0).astype(np.float64)),
        region=region,
        next_region=from_points(place[:, _MIDDLE], place[:, _CIRCLE]),
    )


def refined(share: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Landmarks (N, K, 2), shares of the crop, moved to the middle of the heat around them (N, h, w, K; logits).

    Where the heat is nowhere above a half they stay.
    """
    height, width = heat.shape[1:3]
    around = np.arange(-(_KERNEL // 2), _KERNEL // 2 + 1)
    # What is no number or far outside is beyond every kernel's reach.
    pixel = np.floor(np.clip(np.nan_to_num(share, nan=-1.0), -1, 2) * [width, height]).astype(int)
    inside = ((pixel >= 0) & (pixel < [width, height])).all(-1)
    columns, rows = pixel[..., :1] + around, pixel[..., 1:] + around  # (N, K, _KERNEL)
    people, landmarks = np.ogrid[: heat.shape[0], : heat.shape[3]]
    window = heat[
        people[..., None, None],
        rows.clip(0, height - 1)[..., None],
        columns.clip(0, width - 1)[..., None, :],
        landmarks[..., None, None],
    ]
    counts = ((rows >= 0) & (rows < height))[..., None] & ((columns >= 0) & (columns < width))[..., None, :]
    weight = _sigmoid(window.astype(np.float64)) * counts  # (N, K, rows, columns)
    total = np.maximum(weight.sum((2, 3)), 1e-12)
    x = (weight.sum(2) * columns).sum(-1) / total / width
    y = (weight.sum(3) * rows).sum(-1) / total / height
    sure = inside & (weight.max((2, 3)) >= _LEAST_HEAT)
    return np.where(sure[..., None], np.stack([x, y], -1), share)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))

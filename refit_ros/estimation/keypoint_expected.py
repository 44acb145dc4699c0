"""Where followed people's landmarks should be in each camera, and which of those that are seen are theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.geometry import around, covered, median_of_known, overlap
from refit_ros.camera.geometry import size_px as body_size_px
from refit_ros.camera.views import Camera
from refit_ros.core.landmarks import LANDMARK_INDEX, MIRRORED_LANDMARKS
from refit_ros.detection.landmarks import COUNT, Landmarks
from refit_ros.estimation.keypoint_people import LIMBS, SEEN
from refit_ros.estimation.occlusion import Silhouette, occlusion_mask, stands_before
from refit_ros.estimation.view_evidence import MASK_PX, Expectation, square_of
from refit_ros.tracking import measurement
from refit_ros.tracking.association import LEAST, MOST, UNTHINKABLE
from refit_ros.tracking.config import TrackerConfig
from refit_ros.tracking.measurement import belief
from refit_ros.tracking.root_state import RootState, update, view_information

_HIPS, _SHOULDERS = ([LANDMARK_INDEX[f"{side}_{part}"] for side in ("left", "right")] for part in ("hip", "shoulder"))
NEAREST_M = 0.2
# Of the size in the image, one sigma of who moves as predicted: of the middle of their landmarks, and of how far these lie
# from where they should about that middle, on average.
PLACE, POSE = 0.04, 0.083
DIMENSIONS = 4  # two of the place, and of the pose about as much
NOBODYS = 8.0  # surprise, log less likely: landmarks of which somebody's would be more surprising are nobody's of these
EXCHANGED = 3.5  # log odds against a landmark network that has taken left for right
OTHER_SIDE = list(MIRRORED_LANDMARKS[:COUNT])
_EITHER = np.array([LIMBS, [OTHER_SIDE[index] for index in LIMBS]])


@dataclass(frozen=True)
class Expected:
    """Where one camera should see somebody."""

    px: np.ndarray  # (33, 2) BlazePose's landmarks, raw image
    sigma_px: np.ndarray  # (33,) how far each landmark may be from there by itself
    place_sigma_px: float  # and all of them together
    pose_sigma_px: float  # how far, on average, what moves about the hips
    size_px: float  # of the limbs in the image
    depth_m: float = np.inf
    in_the_open: float = 1.0  # 0 .. 1: share of them before which nobody else stands
    silhouette: Silhouette | None = None  # in the raw image; None: nobody else is there
    person: int = 0  # of those who are followed
    others: frozenset[int] = frozenset()  # who of them are painted over where this one is looked at

    @cached_property
    def extent(self) -> np.ndarray:
        """(4,) px"""
        return around(self.px)

    @property
    def box(self) -> np.ndarray:
        """(4,) px to look in: a square about the hips that holds them whichever way they are turned."""
        reach = max(float(np.linalg.norm(self.px - self._hips, axis=1).max()), 4.0)
        return np.concatenate([self._hips - reach, self._hips + reach])

    @property
    def turned_rad(self) -> float:
        """Of the way from the hips to the shoulders, clockwise from upright."""
        right, down = self.px[_SHOULDERS].mean(0) - self._hips
        return float(np.arctan2(right, -down))

    @cached_property
    def _hips(self) -> np.ndarray:
        return self.px[_HIPS].mean(0)

    @property
    def sigmas(self) -> tuple[float, float]:
        """Of the middle of somebody's landmarks, and of their mean distance about it, of the size in the image."""
        return math.hypot(PLACE, self.place_sigma_px / self.size_px), math.hypot(POSE, self.pose_sigma_px / self.size_px)

    @property
    def is_vague(self) -> bool:
        """Their place may be farther from there than who moves as predicted is: one camera's word helps the next one."""
        return self.place_sigma_px > PLACE * self.size_px

    def off_px(self, place_px: np.ndarray) -> np.ndarray:
        """(2,) by how much landmarks (33, 2) px are elsewhere as a whole: the median of the limbs."""
        return np.median(place_px[LIMBS] - self.px[LIMBS], axis=0)


def believed(expected: Sequence[Expected], place_px: np.ndarray) -> np.ndarray:
    """(N, 33) 0 .. 1: how far landmarks (N, 33, 2) px are believed beside what was expected of each, as Student's t weighs
    them. All of somebody's may be elsewhere, as far as their place is known."""
    known = np.array([each.place_sigma_px for each in expected])[:, None] ** 2
    off_px = place_px - np.stack([each.px for each in expected])
    sigma_px = np.stack([each.sigma_px for each in expected])
    as_a_whole = np.median(off_px[:, LIMBS], axis=1)
    moved = as_a_whole * known / (known + np.median(sigma_px, axis=1)[:, None] ** 2 / len(_HIPS + _SHOULDERS))
    return belief(((off_px - moved[:, None]) ** 2).sum(2) / sigma_px**2)


def expect(
    landmarks_m: np.ndarray,
    joints_m: np.ndarray,
    misfit_m: np.ndarray,
    own_share: np.ndarray,
    roots: Sequence[RootState],
    passed_s: np.ndarray,
    two: np.ndarray,
    cameras: CameraRows,
    config: TrackerConfig,
) -> list[list[Expected | None]]:
    """Where each of V cameras should see the landmarks (P, 33, 3) m, fixed frame, of each of P people; None where it cannot.

    joints_m (P, 24, 3): likewise. misfit_m (P, 33) and own_share (P,), of the size in the image: what they may err by
    themselves. roots: how well their places are known. passed_s (P,): since the pose was seen. two (P, P) bool: who is
    somebody else than whom for certain.
    """
    if not len(roots):
        return [[] for _ in range(len(cameras))]
    people, landmarks = landmarks_m.shape[:2]
    every = cameras.to_camera(landmarks_m.reshape(-1, 3))
    px = cameras.project(every)
    shown = cameras.shows(every, px).reshape(len(cameras), people, landmarks)
    points, px = every.reshape(len(cameras), people, landmarks, 3), px.reshape(len(cameras), people, landmarks, 2)
    there = np.all(points[..., 2] >= NEAREST_M, axis=2) & np.any(shown[..., LIMBS], axis=2)
    depth_m = np.maximum(points[..., 2].mean(2), NEAREST_M)
    px_per_m = cameras.focal_px[:, None] / depth_m
    across_m = measurement.sigma_across_m(roots, cameras)
    moved_m = config.pose_change_m_s * passed_s
    size_px = limbs_size_px(px)
    sigma_px = np.hypot(
        (own_share * size_px)[..., None], px_per_m[..., None] * np.hypot(moved_m[:, None], misfit_m)
    )  # (V, P, 33)
    silhouettes = _silhouettes(joints_m, px_per_m, cameras) if people > 1 else [[None]] * len(cameras)
    placed = across_m < config.body_depth_m  # (V, P)
    return [
        [
            Expected(
                px[view, person],
                sigma_px[view, person],
                float(px_per_m[view, person] * across_m[view, person]),
                float(px_per_m[view, person] * moved_m[person]),
                float(size_px[view, person]),
                float(depth_m[view, person]),
                silhouette=silhouettes[view][person],
                person=person,
                others=frozenset(np.flatnonzero(two[person] & placed[view] & placed[view, person]).tolist()),
            )
            if there[view, person]
            else None
            for person in range(people)
        ]
        for view in range(len(cameras))
    ]


def _silhouettes(joints_m: np.ndarray, px_per_m: np.ndarray, cameras: CameraRows) -> list[list[Silhouette]]:
    """Of each camera, and each person whose joints (P, 24, 3) m, fixed frame, are given."""
    people, joints = joints_m.shape[:2]
    px = cameras.project(cameras.to_camera(joints_m.reshape(-1, 3))).reshape(len(cameras), people, joints, 2)
    return [[Silhouette(*each) for each in zip(own_px, own.tolist())] for own_px, own in zip(px, px_per_m)]


def limbs_size_px(px: np.ndarray) -> np.ndarray:
    """(...,) of people whose landmarks are these (..., 33, 2)."""
    return body_size_px(px[..., LIMBS, :])


def beside_others(expected: Sequence[Expected | None], config: TrackerConfig) -> list[Expected | None]:
    """The same people in one camera, with what the others hide of each."""
    there = [each for each in expected if each is not None]
    if len(there) < 2:
        return list(expected)
    boxes = np.array([each.extent for each in there])
    depth_m = np.array([each.depth_m for each in there])
    hidden = covered(boxes, boxes) * stands_before(depth_m, depth_m[:, None], config)
    np.fill_diagonal(hidden, 0.0)
    own = iter(replace(each, in_the_open=float(1 - share)) for each, share in zip(there, hidden.max(1)))
    return [None if each is None else next(own) for each in expected]


def surprises(
    found: Landmarks, expected: Sequence[Expected], config: TrackerConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Landmarks of N people beside each of E: how surprising they are (N, E), whether they can be theirs at all, and whether
    left was taken for right."""
    place, pose = np.array([each.sigmas for each in expected]).T
    middle, about = _off(found, expected)
    squared = (middle / place) ** 2 + (about / pose) ** 2  # (2, N, E): as they are, and left for right
    told = measurement.surprises(squared, DIMENSIONS) + np.array([0.0, EXCHANGED])[:, None, None]
    # Whoever may be anywhere is less likely to be just here.
    vague = 2 * np.log(place / PLACE) + np.log(pose / POSE)
    seen = np.clip([config.recall * each.in_the_open for each in expected], LEAST, MOST)
    return told.min(0) + vague - np.log(seen), squared.min(0) < config.gate_sigma**2, told[1] < told[0]


def assign(found: Landmarks, expected: Sequence[Expected | None], config: TrackerConfig) -> dict[int, tuple[int, bool]]:
    """Landmarks (N people) -> index of the expected person each of them is, and whether left was taken for right; those who
    are nobody's are missing."""
    there = [column for column, each in enumerate(expected) if each is not None]
    if not there or not len(found):
        return {}
    costs, can_be, exchanged = surprises(found, [each for each in expected if each is not None], config)
    table = np.concatenate([np.where(can_be, costs, UNTHINKABLE), np.full((len(found), len(found)), NOBODYS)], axis=1)
    return {
        int(row): (there[column], bool(exchanged[row, column]))
        for row, column in zip(*linear_sum_assignment(table))
        if column < len(there)
    }


def clearness(found: Landmarks, expected: Sequence[Expected | None], config: TrackerConfig) -> float:
    """How clear it is in a camera who is whom: by how much the second best is worse, on average."""
    there = [each for each in expected if each is not None]
    if len(there) < 2 or not len(found):
        return np.inf
    costs = np.sort(surprises(found, there, config)[0], axis=1)
    return float((costs[:, 1] - costs[:, 0]).mean())


def heard(root: RootState, expected: Expected, place_px: np.ndarray, camera: Camera, config: TrackerConfig) -> RootState:
    """Where somebody should be after one camera's word on it: landmarks (33, 2) px that are theirs."""
    depth_m = max(float(camera.to_camera(root.position_m[None])[0, 2]), NEAREST_M)
    shift_m = np.append(expected.off_px(place_px) * depth_m / camera.calibration.focal_px, 0.0)
    position_m = root.position_m + camera.rotation.T @ shift_m
    information = view_information(position_m, camera.fixed_from_camera[:3, 3], config.bearing_sigma_m, np.inf)
    return update(root, position_m, information)


def middle_px(off_px: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """(V, 2): the median over the limbs of landmarks' offsets (V, 33, 2), of those that are seen where enough are."""
    limbs, seen = off_px[:, LIMBS], visibility[:, LIMBS] > SEEN
    seen |= (seen.sum(1) < len(LIMBS) // 2)[:, None]
    return median_of_known(np.where(seen[..., None], limbs, np.nan), axis=1)


def _off(found: Landmarks, expected: Sequence[Expected]) -> tuple[np.ndarray, np.ndarray]:
    """(2, N, E) twice, of landmarks of N people as they are and with their left taken for right, of the size in the image:
    how far the middle of the limbs is from where each of E is expected, and the limbs from there about that middle, on
    average."""
    weight = np.moveaxis(found.visibility[:, _EITHER], 0, 1) + 1e-6  # (2, N, L)
    weight = (weight / weight.sum(2, keepdims=True))[:, :, None]
    there = np.stack([each.px[LIMBS] for each in expected])
    apart = np.moveaxis(found.place_px[:, _EITHER], 0, 1)[:, :, None] - there  # (2, N, E, L, 2)
    middle = (weight[..., None, :] @ apart)[..., 0, :]
    about = (weight * np.linalg.norm(apart - middle[..., None, :], axis=4)).sum(3)
    size_px = np.array([each.size_px for each in expected])
    return np.linalg.norm(middle, axis=3) / size_px, about / size_px


def regions(known: Sequence[Expected], boxes_px: Sequence[np.ndarray] | np.ndarray = ()) -> Expectation:
    """Where to look for landmarks in one image: of who is expected there, then of others' boxes (4,)."""
    turned_rad = np.full(len(known) + len(boxes_px), np.nan)
    turned_rad[: len(known)] = [one.turned_rad for one in known]
    masks = [_mask(one, known) for one in known]
    return Expectation(
        regions_px=np.array([*(one.box for one in known), *boxes_px], float),
        masks=(*masks, *[None] * len(boxes_px)) if any(mask is not None for mask in masks) else (),
        turned_rad=turned_rad,
    )


def _mask(one: Expected, known: Sequence[Expected]) -> np.ndarray | None:
    """(MASK_PX, MASK_PX) bool: where the region of one of those who are known shows others; None: nowhere.

    Whoever may be nobody, or one of the others, is shown what is there: of others painted over so much is left that it could
    be taken for them.
    """
    box = one.box
    others = [each for each in known if each.person in one.others and overlap(box[None], each.extent[None])[0, 0] > 0]
    silhouettes = [each.silhouette for each in others if each.silhouette is not None]
    if one.silhouette is None or not silhouettes:
        return None
    return occlusion_mask(one.silhouette, silhouettes, square_of(box), MASK_PX)

"""Where to look in each picture: the boxes followed people should fill, and what the detector says to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from refit_ros.camera import crops
from refit_ros.camera.boxes import Boxes
from refit_ros.camera.geometry import around, clipped, covered, overlap
from refit_ros.camera.views import Camera
from refit_ros.core.joints import JOINT_NAMES
from refit_ros.estimation.solve import Solver
from refit_ros.estimation.track import Track, assign
from refit_ros.estimation.veil import Silhouette

NEAREST_M = 0.3  # no part of a body may be nearer to the camera than this
LEAST_VISIBLE = 0.25  # share of the expected box that must lie inside the picture
LEAST_SIDE_PX = 12.0
HIDDEN = 0.45  # behind somebody who covers this share of the box ...
HIDDEN_BY_M = 0.3  # ... and stands this much nearer
EXPLAINED = 0.5  # a detection that overlaps a confirmed person's box by this much is that person again
DRIFTED = 0.5  # below this overlap the box that was found is better than the one expected
MISSES = 2  # a view without a box of the person in so many calls of the detector is not used


@dataclass(frozen=True)
class Expected:
    """Where one camera should see one body."""

    square_box: np.ndarray  # (4,) of the square-pixel picture, not cut down to the picture
    raw_box: np.ndarray  # (4,) of the raw picture
    depth_m: float
    silhouette: Silhouette | None = None


@dataclass
class Attention:
    """Of one set: for each track and camera what is expected, confirmed and hidden; and what nobody explains."""

    expected: list[dict[int, Expected]]  # by track: camera -> where
    hidden: list[set[int]]  # by track: cameras in which somebody stands before him
    confirmed: list[set[int]] = field(default_factory=list)  # by track: cameras whose detector saw him
    confidence: list[float] = field(default_factory=list)  # by track: the best of the boxes that confirm him, else 0
    # By track and camera: the box that was found, where it lies so far from the expected one that the crop follows it.
    drifted: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    unexplained: list[tuple[int, np.ndarray, float]] = field(default_factory=list)  # camera, raw box, confidence
    # By camera in which somebody is expected and not found: how far off the nearest box is that is nobody else's, and the
    # nearest of all; infinite without one.
    astray_px: dict[int, tuple[float, float]] = field(default_factory=dict)


def expect(outline_m: np.ndarray, camera: Camera) -> Expected | None:
    """Where a body is to be seen in a camera, or None; its points (N, 3) m of the fixed frame end with the 24 joints."""
    points = camera.to_camera(outline_m)
    if points[:, 2].min() < NEAREST_M:
        return None
    box = around(camera.calibration.project_square(points))
    raw = around(camera.calibration.project(points)) if not camera.calibration.is_plain else box
    seen = clipped(raw, camera.calibration.width_px, camera.calibration.height_px)
    if covered(raw[None], seen[None])[0, 0] < LEAST_VISIBLE or (seen[2:] - seen[:2]).min() < LEAST_SIDE_PX:
        return None
    depth_m = float(points[:, 2].mean())
    joints_px = camera.calibration.project_square(points[-len(JOINT_NAMES) :])
    return Expected(box, raw, depth_m, Silhouette(joints_px, camera.calibration.focal_px / depth_m))


def attend(tracks: list[Track], cameras: list[Camera], solver: Solver, stamp_s: float, whole_picture: bool) -> Attention:
    """Where each followed person should be in each picture; with `whole_picture` the box is always all of it."""
    expected: list[dict[int, Expected]] = []
    outlines = solver.outlines([track.predicted(stamp_s) for track in tracks])
    for number, outline in enumerate(outlines):
        seen = {}
        for index, camera in enumerate(cameras):
            where = expect(outline, camera)
            if whole_picture:
                size = np.array([0, 0, camera.calibration.width_px, camera.calibration.height_px], float)
                where = Expected(crops.box_in_square_pixels(size, camera.calibration), size, 1.0) if number == 0 else None
            if where is not None:
                seen[index] = where
        expected.append(seen)
    hidden = [
        {camera for camera in seen if is_hidden(seen[camera], camera, expected, skip=number)}
        for number, seen in enumerate(expected)
    ]
    return Attention(expected, hidden, [set() for _ in tracks], [0.0 for _ in tracks])


def is_hidden(where: Expected, camera: int, others: list[dict[int, Expected]], skip: int | None = None) -> bool:
    """Whether somebody else stands before this body in this camera."""
    for number, seen in enumerate(others):
        if number == skip or camera not in seen:
            continue
        other = seen[camera]
        if where.depth_m - other.depth_m > HIDDEN_BY_M and covered(where.raw_box[None], other.raw_box[None])[0, 0] > HIDDEN:
            return True
    return False


def crowding(number: int, camera: int, attention: Attention) -> float:
    """Share of a followed person's box in a camera that somebody else's box covers, before or behind him."""
    mine = attention.expected[number][camera].raw_box[None]
    others = [seen[camera].raw_box for other, seen in enumerate(attention.expected) if other != number and camera in seen]
    return float(covered(mine, np.array(others)).max()) if others else 0.0


def hear(attention: Attention, found: dict[int, Boxes], cameras: list[Camera], tracks: list[Track]) -> None:
    """Compares what was found, {camera: boxes}, with what was expected; fills `attention` and each track's misses."""
    for index, boxes in found.items():
        size = cameras[index].calibration.width_px, cameras[index].calibration.height_px
        here = [number for number, seen in enumerate(attention.expected) if index in seen]
        expected = np.array([attention.expected[number][index].raw_box for number in here]).reshape(-1, 4)
        pairs = assign(expected, boxes.xyxy_px, *size)
        for row, column in pairs.items():
            attention.confirmed[here[row]].add(index)
            if overlap(clipped(expected[row], *size), boxes.xyxy_px[column])[0, 0] < DRIFTED:
                attention.drifted[here[row], index] = boxes.xyxy_px[column]
            attention.confidence[here[row]] = max(attention.confidence[here[row]], float(boxes.confidence[column]))
        for number in here:
            if index in attention.confirmed[number]:
                tracks[number].missed[cameras[index].name] = 0
            elif index not in attention.hidden[number]:
                missed = tracks[number].missed
                missed[cameras[index].name] = missed.get(cameras[index].name, 0) + 1
        confirmed = clipped(expected[list(pairs)], *size) if pairs else np.zeros((0, 4))
        others = np.array([box for column, box in enumerate(boxes.xyxy_px) if column not in pairs.values()]).reshape(-1, 4)
        missing = [row for row, number in enumerate(here) if row not in pairs and index not in attention.hidden[number]]
        if missing:
            attention.astray_px[index] = tuple(
                _distance_px(clipped(expected[missing], *size), boxes_) for boxes_ in (others, boxes.xyxy_px)
            )
        for column, box in enumerate(boxes.xyxy_px):
            if column not in pairs.values() and not (overlap(box, confirmed) > EXPLAINED).any():
                attention.unexplained.append((index, box, float(boxes.confidence[column])))


def usable_views(
    number: int, attention: Attention, track: Track, cameras: list[Camera], suspected: tuple[str, ...]
) -> list[int]:
    """The cameras in which this followed person is worth a crop; those `suspected` to have moved only for want of others."""
    # Where two others see him, a camera that looked and did not is not asked again.
    misses = 1 if len(attention.confirmed[number]) >= 2 else MISSES
    views = [
        index
        for index in attention.expected[number]
        if index not in attention.hidden[number]
        and (index in attention.confirmed[number] or track.missed.get(cameras[index].name, 0) < misses)
    ]
    trusted = [index for index in views if cameras[index].name not in suspected]
    return trusted if len(cameras) > 2 and trusted else views


def contradictions(attention: Attention, cameras: int) -> dict[int, float]:
    """Evidence, in px, that a camera's boxes are not where its extrinsics put people whom others see; {camera: px}.

    With three cameras and more two others must agree on somebody, and a box that is nobody else's must lie astray.
    Two cameras can only contradict each other: then both are named.
    """
    agreed = [len(confirmed) for confirmed in attention.confirmed]
    if cameras == 2:
        lonely = [number for number, count in enumerate(agreed) if count == 1 and len(attention.expected[number]) == 2]
        astray = [pair[1] for pair in attention.astray_px.values() if np.isfinite(pair[1])]
        return {0: min(astray), 1: min(astray)} if lonely and astray and 2 not in agreed else {}
    if max(agreed, default=0) < 2:
        return {}
    return {camera: pair[0] for camera, pair in attention.astray_px.items() if np.isfinite(pair[0])}


def _distance_px(expected: np.ndarray, boxes: np.ndarray) -> float:
    """From the middles of `expected` (N, 4) to the nearest middle of `boxes` (M, 4), the median of N; infinite for none."""
    if not len(boxes):
        return float("inf")
    between = (expected[:, None, :2] + expected[:, None, 2:] - boxes[None, :, :2] - boxes[None, :, 2:]) / 2
    return float(np.median(np.linalg.norm(between, axis=-1).min(1)))

"""Expectations and evidence as plain arrays and back: what is sent and stored. What cannot be meant is refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from refit_ros.camera.boxes import Boxes
from refit_ros.core.refit import Features
from refit_ros.detection.landmarks import COUNT, Landmarks, no_landmarks
from refit_ros.estimation.map_windows import cut, map_side, put, window_side
from refit_ros.estimation.view_evidence import Expectation, Search, ViewEvidence

Arrays = dict[str, np.ndarray]
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
MOST_M = 32.0  # of a landmark from the hips
MOST_REGIONS = 400  # of one image
FARTHEST_PX = 1e6


def arrays_of_expectation(wanted: Expectation) -> Arrays:
    """search () uint8; regions_px (N, 4); turned_rad (N,) or (0,); masked (K,) uint32 which regions have a mask; masks
    (K, S, S / 8) uint8 bits; windowed (L,) uint32 of which windows will do; windows (L, M, 2) uint16.
    """
    masks = {row: mask for row, mask in enumerate(wanted.masks) if mask is not None}
    bits = [np.packbits(mask, axis=1) for mask in masks.values()]
    windows = {row: corners for row, corners in enumerate(wanted.windows) if corners is not None}
    return {
        "search": np.array(wanted.search, np.uint8),
        "regions_px": np.asarray(wanted.regions_px, np.float64),
        "turned_rad": np.asarray(wanted.turned_rad, np.float64),
        "masked": np.array(list(masks), np.uint32),
        "masks": np.stack(bits) if bits else np.zeros((0, 0, 0), np.uint8),
        "windowed": np.array(list(windows), np.uint32),
        "windows": np.stack(list(windows.values())) if windows else np.zeros((0, 0, 2), np.uint16),
    }


def expectation_of(arrays: Mapping[str, np.ndarray], crop_size: int, markers: int = 0) -> Expectation:
    """crop_size: px of masks; markers: of a crop's maps. Raises ValueError with a sentence."""
    if int(arrays["search"]) not in list(Search):
        raise ValueError(f"a search of kind {int(arrays['search'])} is unknown")
    regions = _regions(arrays["regions_px"])
    masked, bits = arrays["masked"], arrays["masks"]
    if len(set(masked.tolist())) != len(masked) or (masked >= len(regions)).any():
        raise ValueError(f"masks of regions {masked[:8].tolist()} cannot be of {len(regions)} regions")
    if len(masked) and bits.shape != (len(masked), crop_size, crop_size // 8):
        raise ValueError(f"masks have shape {bits.shape}, and crops of {crop_size} px need {crop_size} x {crop_size} bits")
    masks: list[np.ndarray | None] = [None] * len(regions) if len(masked) else []
    for row, each in zip(masked.tolist(), bits):
        masks[row] = np.unpackbits(each, axis=1).astype(bool)
    turned_rad = np.asarray(arrays.get("turned_rad", np.zeros(0)), np.float64)
    if turned_rad.shape not in ((0,), (len(regions),)) or np.isinf(turned_rad).any():
        raise ValueError(f"turns of shape {turned_rad.shape} cannot be of {len(regions)} regions, or are infinite")
    windows = _windows(arrays, len(regions), map_side(crop_size), markers)
    return Expectation(Search(int(arrays["search"])), regions, tuple(masks), turned_rad, windows=windows)


def arrays_of_evidence(seen: ViewEvidence, wanted: Expectation | None = None) -> Arrays:
    """searched () bool; boxes (M, 5) with confidence; of N regions pooled (N, C), of those of which windows will do parts
    (L, K, w, w) and of the others maps (N - L, K, s, s) as uint16 bits of `half` (0: float16, 1: bfloat16); or of P people
    landmarks_px (P, 33, 2) float32, landmarks_mm (P, 33, 3) int16, visibility (P, 33) uint8 in 255ths and flag (P,) float32.
    """
    boxes = seen.boxes
    arrays: Arrays = {
        "searched": np.array(boxes is not None),
        "boxes": np.zeros((0, 5)) if boxes is None else np.column_stack([boxes.xyxy_px, boxes.confidence]).reshape(-1, 5),
        "half": np.array(0, np.uint8),
        "maps": np.zeros((0, 0, 0, 0), np.uint16),
        "parts": np.zeros((0, 0, 0, 0), np.uint16),
        "pooled": np.zeros((0, 0), np.uint16),
        "landmarks_px": np.zeros((0, COUNT, 2), np.float32),
        "landmarks_mm": np.zeros((0, COUNT, 3), np.int16),
        "visibility": np.zeros((0, COUNT), np.uint8),
        "flag": np.zeros(0, np.float32),
    }
    if seen.features is not None:
        arrays["half"] = np.array(list(HALVES.values()).index(seen.features.maps.dtype), np.uint8)
        corners = _of_each(wanted.windows if wanted else (), len(seen.features.maps))
        window = window_side(seen.features.maps.shape[-1])
        maps = seen.features.maps.cpu()
        whole = [row for row, known in enumerate(corners) if known is None]
        parts = [cut(maps[row], known, window) for row, known in enumerate(corners) if known is not None]
        arrays["maps"] = _bits(maps[whole] if parts else maps)
        arrays["parts"] = _bits(torch.stack(parts)) if parts else arrays["parts"]
        arrays["pooled"] = _bits(seen.features.pooled.cpu())
    if seen.landmarks is not None:
        found = seen.landmarks
        arrays["landmarks_px"] = found.place_px.astype(np.float32)
        arrays["landmarks_mm"] = np.round(np.clip(found.place_m, -MOST_M, MOST_M) * 1000).astype(np.int16)
        arrays["visibility"] = np.round(np.clip(found.visibility, 0, 1) * 255).astype(np.uint8)
        arrays["flag"] = found.flag.astype(np.float32)
    return arrays


def evidence_of(
    arrays: Mapping[str, np.ndarray], kind: str, wanted: Expectation, maps_shape: tuple[int, int, int] = (0, 0, 0)
) -> ViewEvidence:
    """kind: "features", whose maps have the shape (K, s, s), or "keypoints"; wanted: what was asked.

    Raises ValueError with a sentence.
    """
    regions = len(wanted.regions_px)
    boxes = arrays["boxes"]
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes have shape {boxes.shape}, expected (M, 5)")
    searched = Boxes(boxes[:, :4], boxes[:, 4]) if bool(arrays["searched"]) else None
    if kind == "keypoints":
        return ViewEvidence(searched, landmarks=_landmarks(arrays, regions) if regions else None)
    return ViewEvidence(searched, _features(arrays, wanted, maps_shape) if regions else None)


def as_sent(found: Landmarks) -> Landmarks:
    """What is left of landmarks that are sent: places, visibility and flag, rounded; the rest is zero."""
    seen = np.round(np.clip(found.visibility, 0, 1) * 255).any(1)
    return _landmarks(arrays_of_evidence(ViewEvidence(landmarks=found[seen])), len(found))


def _regions(values: np.ndarray) -> np.ndarray:
    regions = np.asarray(values, np.float64)
    if regions.ndim != 2 or regions.shape[1] != 4 or len(regions) > MOST_REGIONS:
        raise ValueError(f"regions have shape {regions.shape}, expected (N, 4) with N up to {MOST_REGIONS}")
    if not (np.abs(regions) < FARTHEST_PX).all() or (regions[:, 2:] <= regions[:, :2]).any():  # NaN is not below
        raise ValueError("a region has no area or lies beyond all images")
    return regions


def _features(arrays: Mapping[str, np.ndarray], wanted: Expectation, maps_shape: tuple[int, int, int]) -> Features:
    maps, parts, pooled, half = arrays["maps"], arrays["parts"], arrays["pooled"], int(arrays["half"])
    if half >= len(HALVES):
        raise ValueError(f"half precision of kind {half} is unknown")
    count, side = len(wanted.regions_px), maps_shape[-1]
    corners = _of_each(wanted.windows, count)
    windowed = sum(known is not None for known in corners)
    for values, rows, shape in (
        (maps, count - windowed, maps_shape),
        (parts, windowed, (maps_shape[0], window_side(side), window_side(side))),
    ):
        if len(values) != rows or (rows and values.shape[1:] != shape) or pooled.ndim != 2 or len(pooled) != count:
            expected = " x ".join(map(str, (rows, *shape)))
            raise ValueError(f"maps have shape {values.shape} and pooled features {pooled.shape}: expected {expected}")
    kind = list(HALVES.values())[half]
    sent = [torch.from_numpy(np.array(values).view(np.int16)).view(kind) for values in (maps, parts, pooled)]
    if not all(bool(torch.isfinite(values).all()) for values in sent):
        raise ValueError("features hold numbers that are not finite")
    if not windowed:
        return Features(sent[0], sent[2])
    whole, cuts = iter(sent[0]), iter(sent[1])
    placed = [next(whole) if known is None else put(next(cuts), known, side) for known in corners]
    return Features(torch.stack(placed), sent[2])


def _of_each(windows: tuple[np.ndarray | None, ...], regions: int) -> tuple[np.ndarray | None, ...]:
    return windows or (None,) * regions


def _bits(values: torch.Tensor) -> np.ndarray:
    return values.contiguous().view(torch.int16).numpy().view(np.uint16)


def _windows(arrays: Mapping[str, np.ndarray], regions: int, side: int, markers: int) -> tuple[np.ndarray | None, ...]:
    windowed, corners = arrays["windowed"], arrays["windows"]
    if len(set(windowed.tolist())) != len(windowed) or (windowed >= regions).any():
        raise ValueError(f"windows of regions {windowed[:8].tolist()} cannot be of {regions} regions")
    if not len(windowed):
        return ()
    if corners.shape != (len(windowed), markers, 2) or (corners > side - window_side(side)).any():
        raise ValueError(f"windows of shape {corners.shape} do not lie in maps of {markers} markers and {side} px")
    found: list[np.ndarray | None] = [None] * regions
    for row, each in zip(windowed.tolist(), corners):
        found[row] = each.astype(np.uint16)
    return tuple(found)


def _landmarks(arrays: Mapping[str, np.ndarray], most: int) -> Landmarks:
    names = "landmarks_px", "landmarks_mm", "visibility", "flag"
    place_px, place_mm, visible, flag = (np.asarray(arrays[name], np.float64) for name in names)
    count = len(flag)
    if [each.shape for each in (place_px, place_mm, visible, flag)] != [
        (count, COUNT, 2),
        (count, COUNT, 3),
        (count, COUNT),
        (count,),
    ] or count > most:
        raise ValueError(
            f"landmarks have shapes {place_px.shape}, {place_mm.shape} and {visible.shape}: expected {COUNT} for each of up "
            f"to {most} regions"
        )
    if not (np.abs(place_px) < FARTHEST_PX).all():
        raise ValueError("landmarks lie beyond all images, or are not finite")
    if not ((flag >= 0) & (flag <= 1)).all():
        raise ValueError("the flag that says whether it is a person lies between 0 and 1")
    place_m, visibility = place_mm / 1000, visible / 255
    if len(flag) and not (visibility.max(1) > 0).all():
        raise ValueError("landmarks of somebody of whom nothing is seen")
    if not len(flag):
        return no_landmarks()
    none = no_landmarks()
    rest = {
        name: np.zeros((len(flag), *getattr(none, name).shape[1:])) for name in ("presence", "heat", "region", "next_region")
    }
    return Landmarks(place_px=place_px, visibility=visibility, place_m=place_m, flag=flag, **rest)

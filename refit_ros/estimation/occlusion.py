"""Other people masked in somebody's crop, so that the network does not take one of them for that person.

Where two followed people overlap in an image, what the other one is expected to cover, and this one is not, becomes
plain grey (ImageNet's mean). The network has learned to see people with things before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.special import ndtr

from refit_ros.camera.crops import Square
from refit_ros.core.joints import JOINT_INDEX, JOINT_NAMES, PARENTS
from refit_ros.tracking.config import TrackerConfig

# How thick a body is along the bone that ends at a joint; joints not named here belong to the trunk.
THICK_M = {"knee": 0.16, "ankle": 0.11, "foot": 0.09, "elbow": 0.10, "wrist": 0.08, "hand": 0.08, "neck": 0.12, "head": 0.12}
TRUNK = tuple(JOINT_INDEX[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip"))
TRUNK_THICK_M, HEAD_RADIUS_M = 0.16, 0.12
HEAD_ABOVE = 0.6  # the skull's middle lies beyond the head joint by this share of the neck
GREY = (124, 116, 104)  # ImageNet's mean
OWN_WIDER = 1.5  # what they themselves may cover is kept, with room for where they may have moved


def stands_before(other_m: np.ndarray, depth_m: np.ndarray, config: TrackerConfig) -> np.ndarray:
    """0 .. 1: how likely somebody other_m from the camera hides who is depth_m from it. Half of a body at the same depth is
    as likely before as behind."""
    return ndtr((depth_m - other_m) / config.body_depth_m)


@dataclass(frozen=True)
class Silhouette:
    """A body in one camera's square-pixel image."""

    joints_px: np.ndarray  # (24, 2)
    px_per_m: float  # at the body's depth

    def covers(self, square: Square, size: int, wider: float = 1.0) -> np.ndarray:
        """(size, size) uint8, 1 where a crop of that many pixels shows the body."""
        scale = size / square.side_px
        points = ((self.joints_px - square.center_px + square.side_px / 2) * scale).clip(-4 * size, 4 * size)

        def thick(width_m: float) -> int:
            return int(np.clip(round(width_m * self.px_per_m * scale * wider), 1, 2 * size))

        mask = np.zeros((size, size), np.uint8)
        corners = points.round().astype(np.int32)
        trunk = cv2.convexHull(corners[list(TRUNK)])
        cv2.fillConvexPoly(mask, trunk, 1)
        cv2.polylines(mask, [trunk], True, 1, thick(TRUNK_THICK_M))
        for joint, parent in enumerate(PARENTS):
            thick_m = THICK_M.get(JOINT_NAMES[joint].rsplit("_", 1)[-1])
            if thick_m is not None:
                cv2.line(mask, corners[parent].tolist(), corners[joint].tolist(), 1, thick(thick_m))
        neck, head = points[JOINT_INDEX["neck"]], points[JOINT_INDEX["head"]]
        skull = (head + HEAD_ABOVE * (head - neck)).round().astype(int).tolist()
        cv2.circle(mask, skull, thick(HEAD_RADIUS_M), 1, -1)
        return mask


def occlusion_mask(own: Silhouette, others: list[Silhouette], square: Square, size: int) -> np.ndarray | None:
    """(size, size) bool: what of a crop is to be masked; None where it is nothing."""
    mask = np.zeros((size, size), np.uint8)
    for other in others:
        mask |= other.covers(square, size)
    if not mask.any():
        return None
    hidden = (mask > 0) & (own.covers(square, size, OWN_WIDER) == 0)
    return hidden if hidden.any() else None


def painted(image: np.ndarray, region_px: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of an image (H, W, 3) uint8 RGB, plain grey where the mask (S, S) of a region (4,) px is set."""
    height, width = image.shape[:2]
    left, top, right, bottom = (int(each) for each in np.round(region_px))
    copy = image.copy()
    shown = copy[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not shown.size:
        return copy
    # Each pixel's place in the mask; a region may reach beyond the image.
    rows, columns = (
        (np.arange(max(begin, 0), min(end, most)) - begin) * len(mask) // max(end - begin, 1)
        for begin, end, most in ((top, bottom, height), (left, right, width))
    )
    shown[mask[np.ix_(rows, columns)]] = GREY
    return copy


def hide(images: torch.Tensor, masks: Sequence[np.ndarray | None]) -> None:
    """Makes what each mask (S, S) covers of its image (3, S, S), normalised, plain grey, in place."""
    rows = [row for row, mask in enumerate(masks) if mask is not None]
    if rows:
        hidden = torch.from_numpy(np.stack([mask for mask in masks if mask is not None])).to(images.device)
        images[rows] = images[rows].masked_fill(hidden[:, None], 0.0)

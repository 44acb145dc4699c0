"""Regions of interest: squares that stand upright on a person, turned in the image; and what is cut out of an image by them.

A region is (x, y, side, angle): its middle and side in px of the raw image, the angle in rad by which it is turned,
clockwise as one sees it, so that a person who leans to the right has a positive one. Arrays of them are (N, 4).
Geometry after the published graphs of MediaPipe's pose solution (AlignmentPointsToRects, RectTransformation), so that its
networks see what they were trained on.
"""

from __future__ import annotations

import cv2
import numpy as np

STEP = 0.5  # between pieces of an image that overlap, in their sides, at most
LONGEST_STRIP = 16  # widths of an image that is looked at in squares: of a longer one in larger pieces
WIDER = 1.25  # a region's side, by the diameter of the circle around the whole body
AT_EDGE = (0.25, 0.05)  # of a box's longer side: one that ends nearer to the image's lower, side edge may go on behind it
BELOW = (1.5, 2.2)  # sides of regions for who goes on below the image, by that of the box's own
BESIDE = 1.15  # likewise for who goes on beside it
LEANING_RAD = (0.0, -0.6, 0.6)  # of whom not all is seen, a box does not say either how they lean


def from_points(middle_px: np.ndarray, circle_px: np.ndarray) -> np.ndarray:
    """Regions from the hips' middle (N, 2) and a point on the circle around the whole body, above the head (N, 2)."""
    off = circle_px - middle_px
    angle = np.pi / 2 - np.arctan2(-off[:, 1], off[:, 0])
    angle = angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi))
    side = 2 * WIDER * np.linalg.norm(off, axis=1)
    return np.column_stack([middle_px, side, angle])


def from_boxes(xyxy_px: np.ndarray, wider: float = WIDER) -> np.ndarray:
    """Upright regions around boxes (N, 4); wider: their sides, by the boxes' longer ones."""
    xyxy_px = np.asarray(xyxy_px, np.float64).reshape(-1, 4)
    size = (xyxy_px[:, 2:] - xyxy_px[:, :2]).max(1, initial=1.0)
    return np.column_stack([(xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2, wider * size, np.zeros(len(xyxy_px))])


def beyond_edge(xyxy_px: np.ndarray, width: int, height: int) -> np.ndarray:
    """More regions (M, 4) for one box (4,) at the image's edge: of a body that goes on behind it, upright and leaning.

    A landmark network squeezes the whole body into the region that it is given. Of 82 drawn people who were cut off below,
    half were taken for people in the box's own region, and nearly all in the clearest of it and these, upright; the
    landmarks' median error fell from 6.0 to 2.7 % of their size (beside the image, 56 people: from 4.2 to 3.4 %). In 14
    images of a man who bends, cut at his waist, leaning ones took it from 12 to 6 % of the size of what was left.
    """
    left, top, right, bottom = (float(value) for value in xyxy_px)
    longer = max(right - left, bottom - top, 1.0)
    side, x, y = WIDER * longer, (left + right) / 2, (top + bottom) / 2
    below, beside = (share * longer for share in AT_EDGE)
    found = []
    if bottom > height - below:
        highest = top - (WIDER - 1) / 2 * longer
        found += [(x, highest + share * side / 2, share * side, 0.0) for share in BELOW]
    if (left < beside) != (right > width - beside):
        found.append(((x + (0.0 if left < beside else width)) / 2, y, BESIDE * side, 0.0))
    if not found:
        return np.zeros((0, 4))
    upright = np.concatenate([from_boxes(xyxy_px), np.array(found)])
    return np.concatenate([np.column_stack([upright[:, :3], np.full(len(upright), lean)]) for lean in LEANING_RAD])[1:]


def piece_side(width: int, height: int) -> int:
    """px: of the largest square that fits into an image, and of a strip's at least so much that they are not hundreds."""
    return max(min(width, height), -(-max(width, height) // LONGEST_STRIP))


def begins(length: float, side: float) -> np.ndarray:
    """(n,) where overlapping pieces of a length begin that cover it, neighbours half of a side apart at most."""
    count = max(1, 1 + int(np.ceil((length / side - 1) / STEP - 1e-6)))
    return np.linspace(0, length - side, count) if count > 1 else np.array([(length - side) / 2])


def to_image(points: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Points (N, K, 2) in shares of regions (N, 4), 0 .. 1, to px of the image."""
    return turned(points - 0.5, regions[:, 3]) * regions[:, None, 2, None] + regions[:, None, :2]


def turned(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The first two components of vectors (N, K, 2 or 3) of turned regions as the image has them."""
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = vectors[..., 0], vectors[..., 1]
    return np.concatenate([np.stack([cos * x - sin * y, sin * x + cos * y], -1), vectors[..., 2:]], -1)


def crops(image: np.ndarray, regions: np.ndarray, side_px: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """What lies under each region of an image (H, W, 3) uint8: (N, side, side, 3) uint8.

    Bilinear, also where it shrinks, as the networks were trained: averaging first made nothing better on a real recording.
    """
    cut = np.zeros((len(regions), side_px, side_px, 3), np.uint8)
    for index, (x, y, side, angle) in enumerate(regions):
        cos, sin = np.cos(angle) * side / side_px, np.sin(angle) * side / side_px
        linear = np.array([[cos, -sin], [sin, cos]])
        corner = np.array([x, y]) - linear @ np.full(2, side_px / 2)
        cv2.warpAffine(
            image,
            np.column_stack([linear, corner]),
            (side_px, side_px),
            dst=cut[index],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
    return cut

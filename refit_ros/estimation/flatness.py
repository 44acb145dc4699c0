"""Whether what several cameras see of somebody is a picture of a person: printed on a poster, or on a screen.

Landmark networks see people in pictures as well as in rooms. What tells is that all of a picture lies in one plane, where
a body stands out of any plane by centimetres: nose, elbows, feet.
"""

from __future__ import annotations

import numpy as np

from refit_ros.estimation.keypoint_refine import LOOSE, Watched

OFF_BODY_M = 0.02  # one sigma of how far a landmark network's idea of a landmark lies off the body's
# Four in five of a picture's landmarks lie nearer to its plane (drawn posters: 1 cm), and those of nobody else do, whatever
# their pose: a body that is fitted badly makes no picture of somebody.
LEAST_RELIEF_M, MOST = 0.02, 0.8
LEAST_WEIGHT = 0.1  # of a landmark that a view sees
FEWEST = 9  # landmarks that two views see: any few lie nearly in a plane
ROUNDS = 4  # of weighing places anew


def flatness(watched: Watched, landmarks_m: np.ndarray) -> np.ndarray:
    """(P,) log likelihood ratio of a flat picture against the bodies with `landmarks_m` (P, K, 3), in the fixed frame.

    How far landmarks lie from the plane that fits them best is compared with how far the body's own do, both across that
    plane alone, and by how surely the views tell it: of views close together, or of one, the ratio is near 0.
    """
    ratios = np.zeros(len(watched.first))
    if watched.views.max() < 2:
        return ratios
    weight = np.where(watched.weight > LEAST_WEIGHT, watched.weight, 0.0)
    known = np.add.reduceat(weight > 0, watched.first, dtype=int) > 1  # (P, K)
    enough = known.sum(1) >= FEWEST
    if enough.any():
        placed = (values[enough] for values in _placed(watched, landmarks_m, weight))
        ratios[enough] = _ratios(known[enough], landmarks_m[enough], *placed)
    return ratios


def _placed(watched: Watched, landmarks_m: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (P, K, 3) m where the rays meet, their covariance (P, K, 3, 3) m^2, and how well they meet (P, K) 0 .. 1.

    One step from the body's landmarks, which are near, and another one in which rays count less that pass by.
    """
    off_px, plane, depth_m = watched.off_px(landmarks_m)
    off = off_px / watched.sigma_px[:, None, None]
    across = watched.across(plane, depth_m)
    counted = weight
    for _ in range(2):
        information, pull = watched.summed(across, off, counted)
        covariance_m2 = np.linalg.inv(information + np.eye(3))  # a metre of prior: solvable for all
        moved_m = -(covariance_m2 @ pull[..., None])[..., 0]
        left = off + (across @ moved_m[watched.person][..., None])[..., 0]
        missed2 = (left**2).sum(-1)
        counted = weight / (1 + missed2 / LOOSE**2) ** 2
    trust = 1 / (1 + np.add.reduceat(weight * missed2, watched.first) / LOOSE**2) ** 2
    return landmarks_m + moved_m, covariance_m2, trust


def _ratios(
    known: np.ndarray, body_m: np.ndarray, places_m: np.ndarray, covariance_m2: np.ndarray, trust: np.ndarray
) -> np.ndarray:
    """Of P people, by their `known` landmarks (P, K)."""
    trust = trust * known
    counted = trust / np.trace(covariance_m2, axis1=2, axis2=3)
    for _ in range(ROUNDS):
        about_m = places_m - _mean(places_m, counted)
        spread_m2 = np.swapaxes(about_m * counted[..., None], 1, 2) @ about_m
        normal = np.linalg.eigh(spread_m2)[1][:, :, :1]  # (P, 3, 1): of the least spread
        relief_m = (about_m @ normal)[..., 0]
        variance_m2 = (np.swapaxes(normal, 1, 2)[:, None] @ covariance_m2 @ normal[:, None])[..., 0, 0] + OFF_BODY_M**2
        relief2 = relief_m**2 / variance_m2
        counted = trust / variance_m2 / (1 + relief2 / LOOSE**2) ** 2
    from_body_m = (places_m - body_m) @ normal
    from_body2 = (from_body_m - _mean(from_body_m, counted))[..., 0] ** 2 / variance_m2
    ratios = (trust * (_robust(from_body2) - _robust(relief2))).sum(1) / 2
    flat = ((np.abs(relief_m) < LEAST_RELIEF_M) & known).sum(1) >= MOST * known.sum(1)
    return np.where(flat, ratios, np.minimum(ratios, 0.0))


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(P, 1, D) of values (P, K, D) that count so much, (P, K)."""
    return (values * counted[..., None]).sum(1, keepdims=True) / counted.sum(1)[:, None, None]


def _robust(squared: np.ndarray) -> np.ndarray:
    """After Geman and McClure."""
    return squared / (1 + squared / LOOSE**2)

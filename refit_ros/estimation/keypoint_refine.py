"""The last step of a fit to landmarks: the body that the network gives, moved to where the landmarks say.

The network has learned what people do and what landmark networks err by; it is no solver, and leaves the landmarks that
are plainly seen some centimetres off. So its answer is taken as a prior: a few steps of Gauss and Newton look for the
body that explains the landmarks in all views and is no farther from the network's than that errs (a maximum a posteriori
estimate; robust weights after Geman and McClure).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refit_ros.camera.geometry import along_the_tree, axis_angle_from_matrix, matrix_from_axis_angle
from refit_ros.core.joints import JOINT_NAMES, PARENTS
from refit_ros.core.landmark_body import LandmarkBody

STEPS = 3
TOLERANCE = 0.015  # of a crop's side: one sigma of a landmark
# Sigmas: a landmark that is farther off counts less and less. What several views see of somebody speaks against a landmark
# that is wrong; in one view only the network's answer does, which may be what is wrong (docs/real.md).
LOOSE, LOOSE_ALONE = 3.0, 12.0
# One sigma of what the network gives: rad of a joint's turn, m of the place, betas.
TURN_RAD = {"pelvis": 0.22, "shoulder": 0.45, "elbow": 0.45, "hip": 0.45, "knee": 0.45, "collar": 0.15, "wrist": 0.15,
            "ankle": 0.15, "neck": 0.15, "head": 0.15, "spine": 0.075, "hand": 0.03, "foot": 0.03}  # fmt: skip
PLACE_M = 0.5
BETAS = 1.0
MOST_RAD = 0.5  # of one joint in one step
NEAREST_M = 0.2
_TURNS, _SHAPE = slice(3, 75), slice(75, 85)  # of the unknowns, after the place
_UNKNOWNS = 85

Posed = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""betas (P, 10), rotmats (P, 24, 3, 3) -> landmarks (P, K, 3), joints (P, 24, 3) m without translation."""


@dataclass(frozen=True)
class Bodies:
    """P people in the fixed frame."""

    betas: np.ndarray  # (P, 10)
    rotmats: np.ndarray  # (P, 24, 3, 3): the global one in the fixed frame, then relative to the parents
    transl: np.ndarray  # (P, 3) m
    landmarks: np.ndarray  # (P, K, 3) m
    joints: np.ndarray  # (P, 24, 3) m


@dataclass(frozen=True)
class Watched:
    """What N views see of P people; each person's views stand together, in the order of the people."""

    first: np.ndarray  # (P,) each person's first view
    place_px: np.ndarray  # (N, K, 2) in the square-pixel image
    weight: np.ndarray  # (N, K) 0 .. 1; 0: not seen
    sigma_px: np.ndarray  # (N,) of a landmark
    rotation: np.ndarray  # (N, 3, 3) camera from fixed frame
    origin_m: np.ndarray  # (N, 3) of the cameras, fixed frame
    focal_px: np.ndarray  # (N,)
    principal_px: np.ndarray  # (N, 2)

    @property
    def person(self) -> np.ndarray:
        """(N,)"""
        return np.repeat(np.arange(len(self.first)), self.views)

    def off_px(self, landmarks_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of people's landmarks (P, K, 3) m, fixed frame: how far each is from its place (N, K, 2) px; where it lies before
        the camera, (N, K, 2) x / z and y / z, and z (N, K) m."""
        points = np.einsum("nij,nkj->nki", self.rotation, landmarks_m[self.person] - self.origin_m[:, None])
        depth_m = np.maximum(points[..., 2], NEAREST_M)
        plane = points[..., :2] / depth_m[..., None]
        return plane * self.focal_px[:, None, None] + self.principal_px[:, None] - self.place_px, plane, depth_m

    def across(self, plane: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
        """(N, K, 2, 3) sigmas by which a landmark's place in the image moves for each m in the fixed frame; of what `off_px`
        gives."""
        scale = self.focal_px[:, None] / depth_m / self.sigma_px[:, None]
        turned = self.rotation[:, None, :2] - plane[..., None] * self.rotation[:, None, 2:]
        return turned * scale[..., None, None]

    def summed(self, across: np.ndarray, off: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Over each person's views: what they know of a landmark's place, (P, K, 3, 3), and how it is off, (P, K, 3).

        across (N, K, 2, 3), off (N, K, 2): in sigmas; weight (N, K).
        """
        sides = np.swapaxes(across * weight[..., None, None], 2, 3)  # (N, K, 3, 2)
        known = np.add.reduceat(sides @ across, self.first)
        return known, np.add.reduceat((sides @ off[..., None])[..., 0], self.first)

    def residual_px(self, landmarks_m: np.ndarray) -> np.ndarray:
        """(N,) root mean square over what is seen."""
        off2 = (self.off_px(landmarks_m)[0] ** 2).sum(-1)
        return np.sqrt((self.weight * off2).sum(1) / np.maximum(self.weight.sum(1), 1e-9))

    @property
    def views(self) -> np.ndarray:
        """(P,) how many each person has."""
        return np.diff(np.append(self.first, len(self.place_px)))


class Refiner:
    """Of one body model."""

    def __init__(self, body: LandmarkBody, posed: Posed) -> None:
        self._turned_by, self._posed = _turned_by(body), posed
        self._prior = np.concatenate(
            [np.full(3, PLACE_M**-2), np.repeat(_sigmas_rad() ** -2, 3), np.full(10, BETAS**-2)]
        )  # (85,) 1 / sigma^2

    def refined(
        self,
        guess: Bodies,
        watched: Watched,
        free_shape: np.ndarray,
        start: Bodies | None = None,
        steps: int = STEPS,
        loose_alone: float = LOOSE_ALONE,
    ) -> Bodies:
        """guess: what is known beforehand. free_shape (P,) bool: whose betas may change too. start: where to begin, if not
        there. loose_alone: LOOSE of who is seen in one view."""
        now = guess if start is None else start
        for _ in range(steps):
            step = self._step(guess, now, watched, free_shape, loose_alone)
            turns = step[:, _TURNS].reshape(-1, 24, 3)
            turns = turns * np.minimum(1, MOST_RAD / np.maximum(np.linalg.norm(turns, axis=2, keepdims=True), 1e-9))
            local = np.einsum("pjba,pjb->pja", _above(now.rotmats), turns)
            rotmats = matrix_from_axis_angle(local) @ now.rotmats
            now = self._at(now.betas + step[:, _SHAPE], rotmats, now.transl + step[:, :3])
        return now

    def _at(self, betas: np.ndarray, rotmats: np.ndarray, transl: np.ndarray) -> Bodies:
        landmarks, joints = self._posed(betas, rotmats)
        return Bodies(betas, rotmats, transl, landmarks + transl[:, None], joints + transl[:, None])

    def _step(self, prior: Bodies, now: Bodies, watched: Watched, free: np.ndarray, loose_alone: float) -> np.ndarray:
        """(P, 85): place, turns of the joints in the fixed frame, betas."""
        count = len(now.betas)
        moves = self._moves(now, free).reshape(count, -1, _UNKNOWNS)  # (P, 3 K, 85)
        off_px, plane, depth_m = watched.off_px(now.landmarks)
        off = off_px / watched.sigma_px[:, None, None]
        across = watched.across(plane, depth_m)
        loose = np.where(watched.views[watched.person] > 1, LOOSE, loose_alone)[:, None]
        weight = watched.weight / (1 + (off**2).sum(-1) / loose**2) ** 2
        # A landmark moves alike for all views: they are summed before it is told by what it moves.
        views, rest = watched.summed(across, off, weight)
        seen = (views @ moves.reshape(count, -1, 3, _UNKNOWNS)).reshape(moves.shape)
        normal = np.swapaxes(moves, 1, 2) @ seen
        right = (rest.reshape(count, 1, -1) @ moves)[:, 0]
        turned = np.zeros((count, 72))
        if now is not prior:
            turns = axis_angle_from_matrix(now.rotmats @ np.swapaxes(prior.rotmats, -1, -2))
            turned = np.einsum("pjab,pjb->pja", _above(now.rotmats), turns).reshape(count, -1)
        away = np.concatenate([now.transl - prior.transl, turned, now.betas - prior.betas], 1)
        normal[:, np.arange(_UNKNOWNS), np.arange(_UNKNOWNS)] += self._prior
        return -np.linalg.solve(normal, (right + self._prior * away)[..., None])[..., 0]

    def _moves(self, now: Bodies, free: np.ndarray) -> np.ndarray:
        """(P, K, 3, 85): how each landmark moves with each unknown; the shape's only of who is free to change it."""
        count, kinds = now.landmarks.shape[:2]
        moves = np.zeros((count, kinds, 3, _UNKNOWNS))
        moves[..., :3] = np.eye(3)
        arm = (now.landmarks[:, :, None] - now.joints[:, None]) * self._turned_by[..., None]  # (P, K, 24, 3)
        x, y, z = np.moveaxis(arm, -1, 0)
        turns = moves[..., _TURNS].reshape(count, kinds, 3, 24, 3)  # a copy: of turn x arm, by turn
        for row, column, value in ((0, 1, z), (0, 2, -y), (1, 0, -z), (1, 2, x), (2, 0, y), (2, 1, -x)):
            turns[:, :, row, :, column] = value
        moves[..., _TURNS] = turns.reshape(count, kinds, 3, 72)
        if free.any():
            shaped = (now.betas[free][:, None] + np.eye(10)).reshape(-1, 10)
            landmarks = self._posed(shaped, np.repeat(now.rotmats[free], 10, 0))[0].reshape(-1, 10, kinds, 3)
            here = (now.landmarks - now.transl[:, None])[free]
            moves[free, :, :, _SHAPE] = np.moveaxis(landmarks - here[:, None], 1, -1)
        return moves


def _above(rotmats: np.ndarray) -> np.ndarray:
    """Joints' turns (P, 24, 3, 3) relative to their parents -> those of their parents in the fixed frame."""
    turned = along_the_tree(rotmats)
    return np.concatenate([np.broadcast_to(np.eye(3), turned[:, :1].shape), turned[:, list(PARENTS[1:])]], 1)


def _sigmas_rad() -> np.ndarray:
    """(24,)"""
    parts = [name.rpartition("_")[2].rstrip("123") for name in JOINT_NAMES]
    return np.array([TURN_RAD[part] for part in parts])


def _turned_by(body: LandmarkBody) -> np.ndarray:
    """(K, 24): the share of each landmark that a turn of each joint carries along."""
    carried = np.zeros((24, 24))
    for joint in range(24):
        above = joint
        while above >= 0:
            carried[joint, above] = 1
            above = PARENTS[above]
    weights, points = body.weights.double().cpu().numpy(), body.point_weights.double().cpu().numpy()
    return weights[:, :24] @ (carried - np.eye(24)) + weights[:, 24:] @ (points @ carried)

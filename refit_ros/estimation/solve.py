"""From features of crops to bodies in the fixed frame: the loop for each group of views, one place.

All people of a set go through the network as one batch. What leaves here is numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from refit_ros.camera import crops as cropping
from refit_ros.camera.crops import Square
from refit_ros.camera.views import Camera
from refit_ros.core.camera import transl_from_weak_perspective, weak_perspective_from_transl
from refit_ros.core.inference import Prepared
from refit_ros.core.refit import Features, Refit
from refit_ros.core.rotations import rotmat_from_6d, sixd_from_rotmat
from refit_ros.core.types import Crops, Estimate, Views
from refit_ros.estimation.fuse import Fused, fuse
from refit_ros.estimation.height import with_height
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.smooth import Shape

WARM_SHARES = 0.5, 0.5, 0.5  # of the last state (pose, shape, camera) in where a followed person's loop starts

# A person's size in their crop, and their offset from its middle, beyond all sense.
SMALLEST_SCALE, LARGEST_SCALE, FARTHEST_M = 0.1, 10.0, 5.0


@dataclass(frozen=True)
class Crop:
    """One crop: which camera, and where in its square-pixel image."""

    camera: int
    square: Square
    mask: np.ndarray | None = None  # (S, S) bool: where the crop shows somebody else
    overlap: float = 0.0  # share of the person's box that somebody else's covers


@dataclass(frozen=True)
class ViewEstimate:
    """What one crop says by itself, in its camera's frame."""

    crop: Crop
    rotmats: np.ndarray  # (24, 3, 3)
    betas: np.ndarray  # (10,)
    joints_m: np.ndarray  # (24, 3) m, by its own translation
    joints_px: np.ndarray  # (24, 2) px of the square-pixel image
    weak_perspective: np.ndarray  # (3,)
    last_update_m: np.ndarray  # (24,) m: how far the last iteration moved each joint


@dataclass(frozen=True)
class FusedEstimate:
    """A person from all views together."""

    pose: Pose
    views: tuple[ViewEstimate, ...]  # one for each view
    fused: Fused


@dataclass(frozen=True)
class Encoded:
    """The crops of one set with the network's features of them: what `Solver.encoded` gives and its other methods take."""

    cameras: tuple[Camera, ...]
    planned: tuple[Crop, ...]
    crops: Crops | None = None  # None: there are no crops
    features: Features | None = None

    def camera(self, index: int) -> Camera:
        """That took crop `index`."""
        return self.cameras[self.planned[index].camera]

    def crops_of(self, rows: torch.Tensor) -> Crops:
        """These crops. Raises IndexError where there are none."""
        if self.crops is None:
            raise IndexError("this set has no crops")
        return Crops(*(getattr(self.crops, field.name)[rows] for field in fields(Crops)))

    def features_of(self, rows: torch.Tensor) -> Features:
        """What they show. Raises IndexError where there are none."""
        if self.features is None:
            raise IndexError("this set has no crops")
        return Features(self.features.maps[rows], self.features.pooled[rows])


@dataclass(frozen=True)
class Prior:
    """What is known of a person before a set is solved."""

    start: Pose | None = None  # where the loop begins; None: from scratch
    held: np.ndarray | None = None  # betas (10,) that were given; None: they are estimated
    shape: Shape | None = None  # what was learned of the betas so far; None: each set stands by itself


class Solver:
    """Runs the network on a set's crops. Nothing is kept from one call to the next."""

    def __init__(self, network: Refit | Prepared, known_height_m: float = 0.0) -> None:
        """known_height_m: everybody's standing height; 0: unknown."""
        self.network = network
        self.body = network.body
        self.device = next(network.parameters()).device
        self._known_height_m = known_height_m
        # Crops are cut as published: crop pixel i lies at (i + 0.5) side / S - 0.5 from the corner, while the network's
        # geometry puts it at i side / S. The published network has learned to live with that half pixel; those trained
        # here were shown images that agree with the geometry, and are told where the crop really lies.
        self._exact = getattr(network.config, "backbone", "") == "small"

    def encoded(self, cameras: Sequence[Camera], planned: Sequence[Crop], features: Features | None) -> Encoded:
        """All crops of a set with their features (None without any); the other methods refer to them by index.

        Raises ValueError for crops without features.
        """
        if not planned:
            return Encoded(tuple(cameras), ())
        if features is None:
            raise ValueError(f"{len(planned)} crops were planned, and no features of them are given")
        crops = cropping.without_images(
            [cameras[crop.camera].calibration for crop in planned], [crop.square for crop in planned], self.device
        )
        if self._exact:
            half = 0.5 * crops.side_px / self.network.config.image_size - 0.5
            crops = replace(crops, center_px=crops.center_px + half[:, None])
        return Encoded(tuple(cameras), tuple(planned), crops, features.to(self.device))

    @torch.inference_mode()
    def alone(self, encoded: Encoded, indices: list[int], iterations: int) -> list[ViewEstimate]:
        """Each of these crops by itself."""
        if not indices:
            return []
        return self._own(encoded, indices, None, None, None, iterations)

    @torch.inference_mode()
    def together(
        self, encoded: Encoded, groups: list[list[int]], priors: list[Prior], iterations: int
    ) -> list[list[ViewEstimate]]:
        """One body for each group of crops (indices), each group one person, whose prior stands at the same place.

        Of each group what its crops say: one shape, pose and orientation in the world, and a place by each camera.
        """
        if not groups:
            return []
        flat = [index for group in groups for index in group]
        person = np.concatenate([[number] * len(group) for number, group in enumerate(groups)])
        views = None  # where nobody is seen twice there is nothing to agree on
        if len(flat) > len(groups):
            rotations = np.stack([encoded.camera(index).rotation for index in flat])
            views = Views(torch.tensor(person, dtype=torch.int64, device=self.device), self._tensor(rotations))
        betas = None
        if any(prior.held is not None for prior in priors):
            rows = [np.full(10, np.nan) if priors[p].held is None else priors[p].held for p in person]
            betas = self._tensor(np.stack(rows))
        start = self._start(encoded, flat, person, [prior.start for prior in priors])
        own = self._own(encoded, flat, views, betas, start, iterations)
        return [[own[i] for i in np.flatnonzero(person == number)] for number in range(len(groups))]

    def _betas(self, prior: Prior, betas: np.ndarray, views: int) -> np.ndarray:
        """The shape a body is placed with, which is what the next one is learned from only if this one is accepted."""
        if prior.held is not None:
            return prior.held
        if prior.shape is not None:
            betas = prior.shape.mean_with(betas, float(views))
        return with_height(betas, self._known_height_m, self.height_m) if self._known_height_m > 0 else betas

    def placed(
        self,
        encoded: Encoded,
        members: Sequence[Sequence[ViewEstimate]],
        priors: Sequence[Prior],
        weights: Sequence[np.ndarray | None],
    ) -> list[FusedEstimate]:
        """Where the bodies that `together` gave are, in one place each, views believed by weights (V,) of 0 .. 1."""
        if not members:
            return []
        cameras = [[encoded.cameras[one.crop.camera] for one in group] for group in members]
        rotmats = np.stack([group[0].rotmats for group in members])
        for number, group in enumerate(members):  # shared by the views, so the first view's will do
            rotmats[number, 0] = cameras[number][0].fixed_from_camera[:3, :3] @ group[0].rotmats[0]
        betas = np.stack([self._betas(prior, group[0].betas, len(group)) for prior, group in zip(priors, members)])
        joints = self.joints(betas, rotmats)
        solved = []
        for number, group in enumerate(members):
            seen_px = [one.joints_px for one in group]
            fused = fuse(joints[number], seen_px, cameras[number], view_weights=weights[number])
            pose = Pose(rotmats[number], betas[number], fused.transl, joints[number] + fused.transl)
            solved.append(FusedEstimate(pose, tuple(group), fused))
        return solved

    @torch.inference_mode()
    def joints(self, betas: np.ndarray, rotmats: np.ndarray) -> np.ndarray:
        """betas (N, 10), rotmats (N, 24, 3, 3) to joints (N, 24, 3) m without translation."""
        return self.body.joints(self._tensor(betas), self._tensor(rotmats)).double().cpu().numpy()

    @torch.inference_mode()
    def outlines(self, poses: list[Pose]) -> np.ndarray:
        """Markers and joints (N, M + 24, 3) m of poses in the fixed frame: what their boxes must hold."""
        if not poses:
            return np.zeros((0, 0, 3))
        markers, joints = self.body.markers_and_joints(
            self._tensor(np.stack([pose.betas for pose in poses])), self._tensor(np.stack([pose.rotmats for pose in poses]))
        )
        return torch.cat([markers, joints], 1).double().cpu().numpy() + np.stack([pose.transl for pose in poses])[:, None]

    @torch.inference_mode()
    def height_m(self, betas: np.ndarray) -> float:
        return float(self.body.height_m(self._tensor(betas[None]))[0])

    def _own(self, encoded: Encoded, indices: list[int], views, betas, start, iterations: int) -> list[ViewEstimate]:
        rows = torch.tensor(indices, device=self.device)
        crops, features = encoded.crops_of(rows), encoded.features_of(rows)
        if start is not None:
            first = self.network.fit(features, crops, views=views, betas=betas, iterations=0).estimate
            start = _between(first, start, crops)
        fit = self.network.fit(features, crops, views=views, betas=betas, start=start, iterations=iterations)
        last, previous = _before_the_camera(fit.estimate, crops), fit.history[max(0, len(fit.history) - 2)]
        joints = self.body.joints(last.betas, last.rotmats)
        before = self.body.joints(previous.betas, previous.rotmats)
        update = (joints - joints[:, :1] - before + before[:, :1]).norm(dim=-1)
        estimate = [
            value.double().cpu().numpy()
            for value in (last.rotmats, last.betas, joints + last.transl[:, None], last.weak_perspective, update)
        ]
        if not all(np.isfinite(value).all() for value in estimate):
            raise FloatingPointError("the network's output is not finite: its weights do not fit this body")
        own = []
        for row, index in enumerate(indices):
            crop = encoded.planned[index]
            rotmats, betas_, joints_m, weak, moved = (value[row] for value in estimate)
            pixels = encoded.cameras[crop.camera].calibration.project_square(joints_m)
            own.append(ViewEstimate(crop, rotmats, betas_, joints_m, pixels, weak, moved))
        return own

    def _start(self, encoded: Encoded, flat: list[int], person: np.ndarray, starts: list[Pose | None]) -> Estimate | None:
        """Each person's last pose in the frame of each camera that sees them now, for the crop it is seen in."""
        if all(start is None for start in starts):
            return None
        count = len(flat)
        rotmats, betas = np.tile(np.eye(3), (count, 24, 1, 1)), np.zeros((count, 10))
        transl, cold = np.ones((count, 3)), np.ones(count, bool)
        for row, index in enumerate(flat):
            pose = starts[person[row]]
            if pose is None:
                continue
            camera = encoded.camera(index)
            rotmats[row], betas[row], cold[row] = pose.rotmats, pose.betas, False
            rotmats[row, 0] = camera.rotation @ pose.rotmats[0]
            # The pelvis is J0 + transl in every frame, and J0 depends on the shape alone.
            rest_pelvis = pose.joints[0] - pose.transl
            transl[row] = camera.to_camera(pose.joints[0]) - rest_pelvis
        crops = encoded.crops_of(torch.tensor(flat, device=self.device))
        weak = weak_perspective_from_transl(self._tensor(transl), crops)
        weak = torch.where(torch.tensor(cold, device=self.device)[:, None], torch.nan, weak)
        return Estimate(self._tensor(rotmats), self._tensor(betas), weak, self._tensor(transl))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=self.device)


def _before_the_camera(estimate: Estimate, crops: Crops) -> Estimate:
    """The same estimate with its crop camera within reason: an untrained network may put people behind the camera."""
    weak = estimate.weak_perspective
    sound = torch.cat([weak[:, :1].clamp(SMALLEST_SCALE, LARGEST_SCALE), weak[:, 1:].clamp(-FARTHEST_M, FARTHEST_M)], 1)
    transl = torch.where((sound == weak).all(1, keepdim=True), estimate.transl, transl_from_weak_perspective(sound, crops))
    return replace(estimate, weak_perspective=sound, transl=transl)


def _between(first: Estimate, carried: Estimate, crops: Crops) -> Estimate:
    """Between the network's own first guess and the last state carried over, WARM_SHARES of the latter; NaN rows stay NaN.

    The guess knows this image, the state knows the person; both err, differently. And the network has learned to
    expect the errors of its own guess: from a state that is nearly right already it steps too far.
    """
    pose, betas, camera = WARM_SHARES
    sixd = torch.lerp(sixd_from_rotmat(first.rotmats), sixd_from_rotmat(carried.rotmats), pose)
    weak = torch.lerp(first.weak_perspective, carried.weak_perspective, camera)
    return Estimate(rotmat_from_6d(sixd), torch.lerp(first.betas, carried.betas, betas), weak, carried.transl)

"""From features of crops to bodies in the fixed frame: the loop for each group of views, one place.

All people of a set go through the network as one batch. What leaves here is numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from refit_ros.camera import crops as cropping
from refit_ros.camera.crops import Square
from refit_ros.camera.views import Camera
from refit_ros.core.fit_call import FitCall
from refit_ros.core.inference import Prepared
from refit_ros.core.numpy_body import NumpyBody
from refit_ros.core.refit import Features, Refit
from refit_ros.core.types import Crops, Estimate, Views
from refit_ros.estimation.fuse import Fused, fuse
from refit_ros.estimation.height import with_height
from refit_ros.estimation.own_fit import OwnFits
from refit_ros.estimation.pose import Pose
from refit_ros.estimation.smooth import Shape


@dataclass(frozen=True)
class Crop:
    """One crop: which camera, and where in its square-pixel image."""

    camera: int
    square: Square
    mask: np.ndarray | None = None  # (S, S) bool: where the crop shows somebody else
    overlap: float = 0.0  # share of the person's box that somebody else's covers
    windows: np.ndarray | None = None  # (M, 2) the parts of the maps that will be read, see `map_windows`; None: unknown


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

    def of(self, indices: list[int]) -> tuple[Crops, Features]:
        """These crops and what they show. Raises IndexError where there are none."""
        if self.crops is None or self.features is None:
            raise IndexError("this set has no crops")
        if indices == list(range(len(self.planned))):  # mostly all of them are wanted: nothing to copy
            return self.crops, self.features
        rows = torch.tensor(indices, device=self.features.maps.device)
        crops = Crops(*(getattr(self.crops, field.name)[rows] for field in fields(Crops)))
        return crops, Features(self.features.maps[rows], self.features.pooled[rows])


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
        self._fits = OwnFits(network)
        self._posing = NumpyBody.of(network.body)
        self._known_height_m = known_height_m
        self._exact = getattr(network.config, "backbone", "") == "small"

    def encoded(self, cameras: Sequence[Camera], planned: Sequence[Crop], features: Features | None) -> Encoded:
        """All crops of a set with their features (None without any); the other methods refer to them by index.

        Raises ValueError for crops without features.
        """
        if not planned:
            return Encoded(tuple(cameras), ())
        if features is None:
            raise ValueError(f"{len(planned)} crops were planned, and no features of them are given")
        lenses = [cameras[crop.camera].calibration for crop in planned]
        crops = cropping.without_images(lenses, [self._told(crop.square) for crop in planned], self.device)
        return Encoded(tuple(cameras), tuple(planned), crops, features.to(self.device))

    def alone(self, encoded: Encoded, indices: list[int], iterations: int) -> list[ViewEstimate]:
        """Each of these crops by itself."""
        if not indices:
            return []
        return self._own(encoded, indices, None, None, None, iterations)

    def together(
        self, encoded: Encoded, groups: list[list[int]], priors: list[Prior], iterations: int
    ) -> list[list[ViewEstimate]]:
        """One body for each group of crops (indices), each group one person, whose prior stands at the same place.

        Of each group what its crops say: one shape, pose and orientation in the world, and a place by each camera.
        """
        if not groups:
            return []
        flat = [index for group in groups for index in group]
        person = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        views = None  # where nobody is seen twice there is nothing to agree on
        if len(flat) > len(groups):
            rotations = np.stack([encoded.camera(index).rotation for index in flat])
            views = Views(torch.tensor(person, dtype=torch.int64, device=self.device), self._tensor(rotations))
        betas = None
        if any(prior.held is not None for prior in priors):
            rows = [np.full(10, np.nan) if (held := priors[p].held) is None else held for p in person]
            betas = self._tensor(np.stack(rows))
        start = self._start(encoded, flat, person, [prior.start for prior in priors])
        own = iter(self._own(encoded, flat, views, betas, start, iterations))
        return [[next(own) for _ in group] for group in groups]

    def _told(self, square: Square) -> Square:
        """Where the network is told that a crop lies.

        Crops are cut as published: crop pixel i lies at (i + 0.5) side / S - 0.5 from the corner, while the network's
        geometry puts it at i side / S. The published network has learned to live with that half pixel; those trained here
        were shown images that agree with the geometry, and are told where the crop really lies.
        """
        if not self._exact:
            return square
        return Square(square.center_px + (0.5 * square.side_px / self.network.config.image_size - 0.5), square.side_px)

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
        rotmats = np.array([group[0].rotmats for group in members])
        for number, group in enumerate(members):  # shared by the views, so the first view's will do
            rotmats[number, 0] = cameras[number][0].fixed_from_camera[:3, :3] @ group[0].rotmats[0]
        betas = np.array([self._betas(prior, group[0].betas, len(group)) for prior, group in zip(priors, members)])
        joints, _ = self.joints(betas, rotmats)
        solved = []
        for number, group in enumerate(members):
            seen_px = [one.joints_px for one in group]
            fused = fuse(joints[number], seen_px, cameras[number], view_weights=weights[number])
            pose = Pose(rotmats[number], betas[number], fused.transl, joints[number] + fused.transl)
            solved.append(FusedEstimate(pose, tuple(group), fused))
        return solved

    def joints(self, betas: np.ndarray, rotmats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """betas (N, 10), rotmats (N, 24, 3, 3) to joints (N, 24, 3) m without translation, and how each of them is turned
        (N, 24, 3, 3) in the frame of the first ones."""
        return self._posing.joints(betas, rotmats)

    def outlines(self, poses: list[Pose]) -> np.ndarray:
        """Markers and joints (N, M + 24, 3) m of poses in the fixed frame: what their boxes must hold."""
        if not poses:
            return np.zeros((0, 0, 3))
        given = np.array([pose.betas for pose in poses]), np.array([pose.rotmats for pose in poses])
        outlines = np.concatenate(self._posing.points_and_joints(*given), 1)
        return outlines + np.array([pose.transl for pose in poses])[:, None]

    @torch.inference_mode()
    def height_m(self, betas: np.ndarray) -> float:
        return float(self.body.height_m(self._tensor(betas[None]))[0])

    def _own(self, encoded: Encoded, indices: list[int], views, betas, start, iterations: int) -> list[ViewEstimate]:
        crops, features = encoded.of(indices)
        fit = self._fits(FitCall(features, crops, views, betas, start, iterations))
        own = []
        for row, index in enumerate(indices):
            crop = encoded.planned[index]
            pixels = encoded.cameras[crop.camera].calibration.project_square(fit.joints_m[row])
            own.append(
                ViewEstimate(
                    crop,
                    fit.rotmats[row],
                    fit.betas[row],
                    fit.joints_m[row],
                    pixels,
                    fit.weak_perspective[row],
                    fit.last_update_m[row],
                )
            )
        return own

    def _start(self, encoded: Encoded, flat: list[int], person: np.ndarray, starts: list[Pose | None]) -> Estimate | None:
        """Each person's last pose in the frame of each camera that sees them now, for the crop it is seen in."""
        if all(start is None for start in starts):
            return None
        count = len(flat)
        rotmats, betas, transl = np.empty((count, 24, 3, 3)), np.zeros((count, 10)), np.ones((count, 3))
        rotmats[:], weak = np.eye(3), np.full((count, 3), np.nan)  # of whom nothing is known yet
        for row, index in enumerate(flat):
            pose = starts[person[row]]
            if pose is None:
                continue
            camera = encoded.camera(index)
            rotmats[row], betas[row], weak[row] = pose.rotmats, pose.betas, 0.0
            rotmats[row, 0] = camera.rotation @ pose.rotmats[0]
            # The pelvis is J0 + transl in every frame, and J0 depends on the shape alone.
            rest_pelvis = pose.joints[0] - pose.transl
            transl[row] = camera.to_camera(pose.joints[0]) - rest_pelvis
        return Estimate(self._tensor(rotmats), self._tensor(betas), self._tensor(weak), self._tensor(transl))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(self.device)

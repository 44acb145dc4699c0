"""A closer look: the network that looks at images begins where people's landmarks have put them (`evidence: both`).

What the two fail at differs. Landmarks are found by networks that have seen real people, but say little of depth and
nothing of the surface between them; features say more of an image and lose their way where the first guess is poor. So the
landmarks' body is where the loop on features starts, and what that makes of it is the idea of the pose and the shape from
which the landmarks' last step (`keypoint_refine.py`) begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.crops import Square, cut_all, square_around
from refit_ros.camera.geometry import around
from refit_ros.camera.views import image_of
from refit_ros.core.fit_call import FitCall
from refit_ros.core.inference import Prepared
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.core.refit import Refit
from refit_ros.core.types import Estimate, Views
from refit_ros.estimation.keypoint_refine import NEAREST_M, Bodies
from refit_ros.estimation.occlusion import Silhouette, hide, occlusion_mask
from refit_ros.estimation.own_fit import ALL, OwnFits

_PELVIS = JOINT_INDEX["pelvis"]


class CloserLook:
    """Of people in images that are here."""

    def __init__(self, network: Refit | Prepared, iterations: int) -> None:
        """iterations: updates of the loop on features."""
        self.network, self._iterations = network, iterations
        self._device = next(network.parameters()).device
        self._fits = OwnFits(network, shares=ALL)

    @torch.inference_mode()
    def __call__(
        self, bodies: Bodies, cameras: CameraRows, person: np.ndarray, held: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """betas (P, 10) and rotmats (P, 24, 3, 3) of P bodies, as they are in `Bodies`, by what N images show of them.

        cameras, person (N,): whom each camera sees, each person's views together. held (P, 10): shapes that are known, else
        NaN. Raises FloatingPointError where the network's output is not finite, and ValueError where an image is elsewhere.
        """
        points_m = cameras.to_camera(np.concatenate([bodies.joints, bodies.landmarks], axis=1)[person])
        depth_m = np.maximum(points_m[..., 2:], NEAREST_M)
        px = points_m[..., :2] / depth_m * cameras.focal_px[:, None, None] + cameras.principal_px[:, None]
        size, lenses = self.network.config.image_size, [camera.calibration for camera in cameras.cameras]
        squares = [square_around(around(own)) for own in px]
        crops = cut_all([image_of(camera) for camera in cameras.cameras], lenses, squares, size, self._device)
        px_per_m = cameras.focal_px / depth_m[:, _PELVIS, 0]
        shapes = [Silhouette(own[: bodies.joints.shape[1]], float(each)) for own, each in zip(px, px_per_m)]
        hide(crops.images, _masks(shapes, cameras, squares, size))
        own = self._fits(
            FitCall(
                self.network.encode(crops.images),
                crops,
                Views(torch.from_numpy(person).to(self._device), self._tensor(cameras.rotation)),
                self._tensor(held[person]) if np.isfinite(held).any() else None,
                self._start(bodies, cameras, person, points_m[:, _PELVIS]),
                self._iterations,
            )
        )
        first = np.searchsorted(person, np.arange(len(bodies.betas)))
        rotmats = own.rotmats[first]
        rotmats[:, 0] = np.swapaxes(cameras.rotation[first], 1, 2) @ rotmats[:, 0]
        return own.betas[first], rotmats

    def _start(self, bodies: Bodies, cameras: CameraRows, person: np.ndarray, pelvis_m: np.ndarray) -> Estimate:
        """pelvis_m (N, 3) in the cameras' frames."""
        rotmats = bodies.rotmats[person]
        rotmats[:, 0] = cameras.rotation @ rotmats[:, 0]
        # The pelvis is J0 + transl in every frame, and J0 depends on the shape alone.
        transl = pelvis_m - (bodies.joints[:, _PELVIS] - bodies.transl)[person]
        values = rotmats, bodies.betas[person], np.zeros((len(person), 3)), transl
        return Estimate(*map(self._tensor, values))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(self._device)


def _masks(
    shapes: Sequence[Silhouette], cameras: CameraRows, squares: Sequence[Square], size: int
) -> list[np.ndarray | None]:
    """Of each crop, where others are who stand in the same image."""
    names = [camera.name for camera in cameras.cameras]
    return [
        occlusion_mask(own, [other for one, other in zip(names, shapes) if one == name and other is not own], square, size)
        for own, name, square in zip(shapes, names, squares)
    ]

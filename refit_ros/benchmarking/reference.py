"""The published way of computing, kept for measuring only.

Float32, eager, batch norms apart, the whole mesh posed through smplx at every iteration and once more at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.core.body_files import smplx_layer
from refit_ros.core.camera import crop_from_image_px, project
from refit_ros.core.refit import Features, Refit
from refit_ros.core.types import Crops, Estimate, Fit


class ReferenceRefit(Refit):
    """Shares its modules with the network it is made of."""

    @staticmethod
    def of(network: Refit) -> ReferenceRefit:
        reference = ReferenceRefit.__new__(ReferenceRefit)
        reference.__dict__.update(network.__dict__)
        reference.layer = smplx_layer(network.body.arrays).to(network.init_pose.device).requires_grad_(False)
        return reference

    def forward(self, crops: Crops, *args, **kwargs) -> Fit:
        return self.loop(self.encode(crops.images), crops, *args, **kwargs)

    def loop(self, features: Features, crops: Crops, *args, **kwargs) -> Fit:
        """All that comes after the convolutions."""
        fit = self.fit(features, crops, *args, **kwargs)
        self._mesh(fit.estimate)  # after the last update, as after every other
        self._mesh(fit.estimate)  # and for whoever wants it
        return fit

    def _mesh(self, estimate: Estimate) -> Tensor:
        """(B, V, 3) m."""
        body = self.layer(betas=estimate.betas, global_orient=estimate.rotmats[:, :1], body_pose=estimate.rotmats[:, 1:])
        return body.vertices + estimate.transl[:, None]

    @torch.no_grad()
    def _reproject(self, estimate: Estimate, crops: Crops) -> Tensor:
        markers_m = self._mesh(estimate)[:, list(self.body.markers)]
        image_px = project(markers_m, crops.focal_px, crops.principal_px)
        return crop_from_image_px(image_px, crops.center_px, crops.side_px, self.config.image_size)

"""What crops say by themselves: the loop from where its person is expected, as one computation on tensors."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from refit_ros.core.camera import transl_from_weak_perspective, weak_perspective_from_transl
from refit_ros.core.fit_call import FitCall, Kind, unpacked
from refit_ros.core.inference import Prepared
from refit_ros.core.refit import Refit
from refit_ros.core.rotations import rotmat_from_6d, sixd_from_rotmat
from refit_ros.core.traces import Compute, recorded_on_processor
from refit_ros.core.types import Crops, Estimate

Named = TypeVar("Named", bound=Hashable)

WARM_SHARES = 0.5, 0.5, 0.5  # of the last state (pose, shape, camera) in where a followed person's loop starts

ALL = 1.0, 1.0, 1.0  # nothing of the network's own first guess
NOT_FINITE = "the network's output is not finite: its weights do not fit this body"

# A person's size in their crop, and their offset from its middle, beyond all sense.
SMALLEST_SCALE, LARGEST_SCALE, FARTHEST_M = 0.1, 10.0, 5.0


@dataclass(frozen=True)
class OwnFit:
    """Of B crops, each in its camera's frame."""

    rotmats: np.ndarray  # (B, 24, 3, 3)
    betas: np.ndarray  # (B, 10)
    joints_m: np.ndarray  # (B, 24, 3)
    weak_perspective: np.ndarray  # (B, 3)
    last_update_m: np.ndarray  # (B, 24): how far the last iteration moved each joint


class OwnFits:
    """Fits crops. On a processor from a recording; nothing else is kept from one call to the next."""

    def __init__(self, network: Refit | Prepared, shares: tuple[float, float, float] = WARM_SHARES) -> None:
        """shares: as WARM_SHARES."""
        self._network, self._body, self._shares = network, network.body, shares
        self._run = traced_on_processor(self._compute, network)

    @torch.inference_mode()
    def __call__(self, call: FitCall) -> OwnFit:
        """`call.start` is the state carried over from the last set, not yet a start of the loop. Of its `weak_perspective`
        only NaN rows are read: those of who is new.

        Raises FloatingPointError where the network gives no finite numbers.
        """
        try:
            values = [value.double().cpu().numpy() for value in self._run(*call.packed())]
        except RuntimeError as error:  # no decomposition of what is not finite: a part of the maps was read that is not here
            if bool(call.features.maps.isnan().any()):
                raise FloatingPointError("maps were read where they are not known") from error
            if "non-finite" not in str(error):
                raise
            raise FloatingPointError(NOT_FINITE) from error
        if not all(np.isfinite(value).all() for value in values):
            raise FloatingPointError(NOT_FINITE)
        return OwnFit(*values)

    def _compute(self, kind: Kind, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        call = unpacked(kind, tensors)
        features, crops, views, betas, start = call.features, call.crops, call.views, call.betas, call.start
        if start is not None:
            first = start
            if self._shares != ALL:
                first = self._network.fit(features, crops, views=views, betas=betas, iterations=0).estimate
            start = _between(first, start, crops, self._shares)
        fit = self._network.fit(features, crops, views=views, betas=betas, start=start, iterations=kind.iterations)
        last, previous = _before_the_camera(fit.estimate, crops), fit.history[max(0, len(fit.history) - 2)]
        joints = self._body.joints(last.betas, last.rotmats)
        before = self._body.joints(previous.betas, previous.rotmats)
        moved = (joints - joints[:, :1] - before + before[:, :1]).norm(dim=-1)
        return last.rotmats, last.betas, joints + last.transl[:, None], last.weak_perspective, moved


def traced_on_processor(compute: Compute[Named], network: Refit | Prepared) -> Compute[Named]:
    """The same, from recordings where `network` is made ready to run fast on a processor."""
    return recorded_on_processor(compute, network.device) if isinstance(network, Prepared) else compute


def _before_the_camera(estimate: Estimate, crops: Crops) -> Estimate:
    """The same estimate with its crop camera within reason: an untrained network may put people behind the camera."""
    weak = estimate.weak_perspective
    sound = torch.cat([weak[:, :1].clamp(SMALLEST_SCALE, LARGEST_SCALE), weak[:, 1:].clamp(-FARTHEST_M, FARTHEST_M)], 1)
    transl = torch.where((sound == weak).all(1, keepdim=True), estimate.transl, transl_from_weak_perspective(sound, crops))
    return replace(estimate, weak_perspective=sound, transl=transl)


def _between(first: Estimate, carried: Estimate, crops: Crops, shares: tuple[float, float, float]) -> Estimate:
    """Between the network's own first guess and the last state carried over, `shares` of the latter; NaN rows stay NaN.

    The guess knows this image, the state knows the person; both err, differently. And the network has learned to
    expect the errors of its own guess: from a state that is nearly right already it steps too far.
    """
    pose, betas, camera = shares
    new = carried.weak_perspective.isnan()
    last = torch.where(new, torch.nan, weak_perspective_from_transl(carried.transl, crops))
    sixd = torch.lerp(sixd_from_rotmat(first.rotmats), sixd_from_rotmat(carried.rotmats), pose)
    weak = torch.lerp(first.weak_perspective, last, camera)
    return Estimate(rotmat_from_6d(sixd), torch.lerp(first.betas, carried.betas, betas), weak, carried.transl)

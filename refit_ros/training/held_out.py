"""The test set: seeded, of other bodies, textures and motions than training sees."""

from __future__ import annotations

import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.evaluation.metrics import aligned_joint_error, joint_error
from refit_ros.training.data import Batch, batch_of_samples
from refit_ros.training.learner import Learner

SEED = 20_230_101
SINGLE_CROPS, FOUR_VIEW_SETS = 2000, 500
CHUNK = 100  # rendered at a time, whatever the device: the set must not depend on it


def held_out(body: Body, image_size: int, count: int, views: int, device: torch.device) -> Batch:
    """`count` people seen by `views` cameras each: count * views crops. The first n are the same for every count."""
    from refit_ros.synthetic.samples import SampleSource

    source = SampleSource(body, image_size, "test", SEED + views, device)
    parts: list[Batch] = []
    for start in range(0, count, CHUNK):
        batch = batch_of_samples(source.batch(CHUNK, views=views)).to("cpu")
        parts.append(batch.rows(slice(0, views * (count - start))))
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in parts[0].tensors()}
    joined["person"] = torch.arange(count).repeat_interleave(views)
    return Batch(**joined)


class HeldOutError:
    """Errors of a learner's average on some of the held-out single crops, for the curves."""

    def __init__(self, body: Body, image_size: int, count: int, device: torch.device):
        self._batch = held_out(body, image_size, count, 1, device).to(device)
        self._body = body

    @torch.no_grad()
    def __call__(self, learner: Learner) -> dict[str, float]:
        network, errors = learner.average.eval(), []
        for start in range(0, len(self._batch), 256):
            part = self._batch.rows(slice(start, start + 256))
            fit = network(part.crops)
            errors.append(
                torch.stack(
                    [
                        self._errors(estimate.betas, estimate.rotmats, part.joints_m)
                        for estimate in (fit.history[0], fit.estimate)
                    ]
                )
            )
        first, last = torch.cat(errors, dim=2).mean(2).tolist()
        return {"mpjpe_mm_0": first[0], "mpjpe_mm": last[0], "pa_mpjpe_mm": last[1]}

    def _errors(self, betas: Tensor, rotmats: Tensor, truth_m: Tensor) -> Tensor:
        joints_m = self._body.joints(betas, rotmats)
        return 1000 * torch.stack((joint_error(joints_m, truth_m), aligned_joint_error(joints_m, truth_m)))

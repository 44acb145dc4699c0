"""Batches of drawn keypoint evidence, and the held-out part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.keypoints import KeypointEvidence
from refit_ros.evaluation.metrics import aligned_joint_error, joint_error
from refit_ros.training.data import Batch, fields_of_samples, join

SEED = 20_240_101  # of the held-out people
PEOPLE = 2000  # of the held-out set, for one view and for four
BATCHES = 8  # drawn at a time in training
CHUNK = 50  # drawn at a time: the set must not depend on how many are asked for


@dataclass(frozen=True)
class KeypointBatch(Batch):
    """A batch whose images are empty, with what a landmark network says of them; see `KeypointEvidence`."""

    place: Tensor
    visibility: Tensor
    offset_m: Tensor
    quality: Tensor

    def evidence(self, network, dtype: torch.dtype) -> KeypointEvidence:
        """There is nothing to compute."""
        return KeypointEvidence(self.place, self.visibility, self.offset_m, self.quality)


def batch_of_evidence(samples) -> KeypointBatch:
    """A batch of `refit_ros.synthetic.evidence.EvidenceSamples`, of which everything is known."""
    evidence = samples.evidence
    return KeypointBatch(
        **fields_of_samples(samples),
        place=evidence.place,
        visibility=evidence.visibility,
        offset_m=evidence.offset_m,
        quality=evidence.quality,
    )


class KeypointSource:
    """About `count` crops a batch, `share` of them of people whom 2 to `views` cameras see; how many changes by batch.

    Several batches are drawn at once: many small numbers cost little more than few.
    """

    def __init__(
        self, body: Body, count: int, share: float, views: int, seed: int, device: torch.device, poses: str | None = None
    ) -> None:
        """poses: a file of captured ones. Raises InputError where it cannot be used."""
        self._samples = _evidence_source(body, "train", seed, poses)
        self._count, self._share, self._views, self._device = count, share, views, device
        self._drawn: list[KeypointBatch] = []
        self._before = self._samples.generator.get_state()  # of what is in _drawn

    def batch(self) -> KeypointBatch:
        if not self._drawn:
            self._before = self._samples.generator.get_state()
            self._drawn = self._draw()
        return self._drawn.pop().to(self._device)

    def _draw(self) -> list[KeypointBatch]:
        together = int(self._count * self._share)
        views = 2 + int(self._samples.dice.below(self._views - 1, 1)) if self._views > 1 else 1
        people = together // views if views > 1 else 0
        alone = self._count - people * views
        kinds = [(n, v) for n, v in ((people, views), (alone, 1)) if n]
        drawn = [batch_of_evidence(self._samples.batch(n * BATCHES, v)) for n, v in kinds]
        return [join([_share(part, i, n * v) for part, (n, v) in zip(drawn, kinds)]) for i in range(BATCHES)]

    def state_dict(self) -> dict:
        return {"generator": self._before, "left": len(self._drawn)}

    def load_state_dict(self, state: dict) -> None:
        self._samples.generator.set_state(state["generator"])
        self._before = state["generator"]
        self._drawn = self._draw()[: state["left"]] if state["left"] else []


def _share(batch: KeypointBatch, number: int, count: int) -> KeypointBatch:
    """`count` crops of a larger batch, the people numbered from 0 on, as `join` wants them."""
    part = batch.rows(slice(number * count, (number + 1) * count))
    return replace(part, person=part.person - part.person[0])


def _evidence_source(body: Body, split: str, seed: int, poses: str | None):
    from refit_ros.synthetic.captured_poses import load_captured_poses
    from refit_ros.synthetic.evidence import EvidenceSource

    return EvidenceSource(body.to("cpu"), split, seed, load_captured_poses(poses, split) if poses else None)


def held_out_evidence(body: Body, people: int, views: int, poses: str | None = None) -> KeypointBatch:
    """Evidence of `people` seen by `views` cameras each, of the test split. The first n are the same for every number.

    poses: a file of captured poses, whose held-out clips are then all the poses there are.
    """
    source = _evidence_source(body, "test", SEED + views, poses)
    parts = [batch_of_evidence(source.batch(CHUNK, views)) for _ in range(-(-people // CHUNK))]
    return join(parts).rows(slice(0, people * views))


class HeldOutKeypointError:
    """Errors of a learner's average on held-out evidence, with one view and with four. `image_size` is not read."""

    def __init__(self, body: Body, image_size: int, people: int, device: torch.device, poses: str | None = None) -> None:
        """poses: a file of captured ones, to measure on their held-out clips as well."""
        files = {"": None} | ({"_captured": poses} if poses else {})
        self._batches = {
            f"{ending}{kind}": held_out_evidence(body, people, views, file).to(device)
            for ending, views in (("", 1), ("_4_views", 4))
            for kind, file in files.items()
        }

    @torch.no_grad()
    def __call__(self, learner) -> dict[str, float]:
        network, values = learner.average.eval(), {}
        for ending, batch in self._batches.items():
            first, last = keypoint_errors(network, batch)
            values |= {
                f"mpjpe_mm_0{ending}": first[0],
                f"pa_mpjpe_mm_0{ending}": first[1],
                f"mpjpe_mm{ending}": last[0],
                f"pa_mpjpe_mm{ending}": last[1],
            }
        return values


@torch.no_grad()
def keypoint_errors(network, batch: KeypointBatch) -> tuple[list[float], list[float]]:
    """Mean MPJPE and PA-MPJPE (mm, 24 joints) of the first guess and after the last iteration."""
    fit = network.fit(batch.evidence(network, torch.float32), batch.crops, views=batch.views)
    result = []
    for estimate in (fit.history[0], fit.estimate):
        joints_m = network.body.joints(estimate.betas, estimate.rotmats)
        result.append([1000 * float(error(joints_m, batch.joints_m).mean()) for error in (joint_error, aligned_joint_error)])
    return result[0], result[1]

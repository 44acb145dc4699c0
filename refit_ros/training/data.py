"""What one training step sees: crops, and what is known about the people in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from refit_ros.core.types import Crops, Views


@dataclass(frozen=True)
class Batch:
    """B crops and their truth, every field a tensor with B rows; the crops of one set of views share a person number.

    A weight of 0 says that the value beside it is not known; the value is then 0 or the identity, never NaN.
    """

    images: Tensor  # (B, 3, S, S) RGB, ImageNet mean and deviation removed
    center_px: Tensor  # (B, 2) full image
    side_px: Tensor  # (B,)
    focal_px: Tensor  # (B,)
    principal_px: Tensor  # (B, 2)
    person: Tensor  # (B,) int64, 0 .. P-1
    camera_from_world: Tensor  # (B, 3, 3)
    rotmats: Tensor  # (B, 24, 3, 3) camera frame
    betas: Tensor  # (B, 10)
    transl: Tensor  # (B, 3) m, camera frame
    joints_m: Tensor  # (B, 24, 3) camera frame, or relative to the pelvis where transl_weight is 0
    joints_px: Tensor  # (B, 24, 2) full image
    body_weight: Tensor  # (B,) are rotmats and betas known?
    transl_weight: Tensor  # (B,)
    joints_m_weight: Tensor  # (B, 24)
    joints_px_weight: Tensor  # (B, 24)

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def crops(self) -> Crops:
        return Crops(self.images, self.center_px, self.side_px, self.focal_px, self.principal_px)

    def evidence(self, network, dtype: torch.dtype):
        """What the network's loop looks at: features of the images, the convolutions in `dtype`."""
        device = self.images.device.type
        with torch.autocast(device, dtype, enabled=dtype != torch.float32, cache_enabled=False):
            return network.encode(self.images.contiguous(memory_format=torch.channels_last))

    @property
    def views(self) -> Views:
        return Views(self.person, self.camera_from_world)

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Another batch, every tensor changed the same way."""
        return type(self)(**{name: change(value) for name, value in self.tensors().items()})

    def rows(self, which: slice | Tensor) -> Batch:
        """Some of the crops."""
        return self.map(lambda value: value[which])

    def tensors(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def to(self, device: torch.device | str) -> Batch:
        return self.map(lambda value: value.to(device, non_blocking=True))


class Source(Protocol):
    """Where batches come from. Its state is all it needs to go on as if it had never been stopped."""

    def batch(self) -> Batch: ...

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


def join(batches: Sequence[Batch]) -> Batch:
    """One batch after the other; people are numbered anew so that none is taken for another."""
    first, people, renumbered = batches[0], 0, []
    for batch in batches:
        renumbered.append(batch.person + people)
        people += len(batch)  # an upper bound, known without waiting for the device
    joined = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in first.tensors() if name != "person"}
    return type(first)(person=torch.cat(renumbered), **joined)


def batch_of_samples(samples) -> Batch:
    """A batch of `refit_ros.synthetic.samples.Samples`, of which everything is known."""
    return Batch(**fields_of_samples(samples))


def fields_of_samples(samples) -> dict[str, Tensor]:
    """Every field of a Batch, of drawn samples whose truth is known."""
    crops, target = samples.crops, samples.target
    ones = torch.ones(len(crops), device=crops.images.device)
    return dict(
        images=crops.images,
        center_px=crops.center_px,
        side_px=crops.side_px,
        focal_px=crops.focal_px,
        principal_px=crops.principal_px,
        person=samples.person,
        camera_from_world=samples.camera_from_world,
        rotmats=target.rotmats,
        betas=target.betas,
        transl=target.transl,
        joints_m=samples.joints_m,
        joints_px=samples.joints_px,
        body_weight=ones,
        transl_weight=ones,
        joints_m_weight=ones[:, None].expand(-1, 24),
        joints_px_weight=ones[:, None].expand(-1, 24),
    )

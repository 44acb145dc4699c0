"""One network being taught: loss, optimizer, moving average, and one step of all three."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from refit_ros.core.camera import crop_from_image_px, project
from refit_ros.core.refit import Refit
from refit_ros.training.data import Batch
from refit_ros.training.heatmaps import HeatmapHead
from refit_ros.training.losses import fit_loss
from refit_ros.training.presets import Preset


class Lesson(nn.Module):
    """Network and training-only head in one module, so that DistributedDataParallel sees all that is learned."""

    def __init__(self, network: Refit, preset: Preset, precision: torch.dtype):
        super().__init__()
        self.network, self.preset, self.precision = network, preset, precision
        self.iterations: int | None = None  # None: the network's own number
        # The same joints; which of the two is quicker to pose is the network's to know.
        self._body = getattr(network, "landmark_body", network.body)
        self.head = HeatmapHead(network.config.markers) if preset.losses.heatmaps > 0 else None

    def forward(self, batch: Batch, heatmap_share: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms. The backbone runs in `precision`, all geometry in float32."""
        features = batch.evidence(self.network, self.precision)
        views = batch.views if self.preset.multi_view_share > 0 else None
        fit = self.network.fit(features, batch.crops, views=views, iterations=self.iterations)
        loss, terms = fit_loss(fit, batch, self._body, self.preset.losses)
        if self.head is not None:
            terms["heatmaps"] = self.head(features.maps.float(), self._marker_cells(batch, features.maps.shape[-1]))
            loss = loss + self.preset.losses.scale * self.preset.losses.heatmaps * heatmap_share * terms["heatmaps"]
        return loss, {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def _marker_cells(self, batch: Batch, cells: int) -> Tensor:
        markers_m, _ = self.network.body.markers_and_joints(batch.betas, batch.rotmats, batch.transl)
        in_front = torch.cat([markers_m[..., :2], markers_m[..., 2:].clamp(min=0.1)], -1)
        markers_px = project(in_front, batch.focal_px, batch.principal_px)
        places = crop_from_image_px(markers_px, batch.center_px, batch.side_px, cells)
        known = (batch.body_weight * batch.transl_weight)[:, None, None] > 0
        return torch.where(known, places, torch.full_like(places, -1.0))  # outside the map: does not count


@dataclass
class Outcome:
    """Of one step, still on the device."""

    loss: Tensor
    gradient_norm: Tensor
    terms: dict[str, Tensor]


class Learner:
    """Steps one network. `network` has the newest weights, `average` their moving average."""

    def __init__(self, network: Refit, preset: Preset, precision: torch.dtype, distributed: bool = False):
        self.network, self.preset = network.train(), preset
        self.lesson = Lesson(network, preset, precision).to(next(network.parameters()).device)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self._parameters = [p for p in self.lesson.parameters() if p.requires_grad]
        device = self._parameters[0].device
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[preset.optimizer]
        self._rate = torch.tensor(preset.learning_rate, device=device)
        self.optimizer = kind(
            self._parameters,
            lr=self._rate,
            weight_decay=preset.weight_decay,
            fused=True,
            **({"capturable": True} if device.type == "cuda" else {}),
        )
        self._skip = torch.zeros((), device=device)  # 1: leave the weights as they are
        self._heatmap_share = torch.ones((), device=device)
        self._average_weight = torch.ones((), device=device)
        self._call = self._distributed(device) if distributed else self.lesson

    def _distributed(self, device: torch.device):
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(
            self.lesson, device_ids=[device] if device.type == "cuda" else None, find_unused_parameters=True
        )

    def set_progress(self, rate: float, step: int, progress: float) -> None:
        """To be called before each step. progress: share of the training that is done; the heatmaps' loss fades with it."""
        self._rate.fill_(rate)
        self.lesson.iterations = self.preset.few_iterations if progress < self.preset.few_until else None
        self._heatmap_share.fill_(max(0.0, 1.0 - progress / 0.8))
        decay = min(self.preset.ema_decay, (1 + step) / (10 + step))
        self._average_weight.fill_(1 - decay)

    def step(self, batch: Batch) -> Outcome:
        """One step without waiting for the device. A gradient that is not finite changes nothing."""
        self.optimizer.zero_grad(set_to_none=False)
        loss, terms = self._call(batch, self._heatmap_share)
        loss.backward()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        torch._foreach_mul_(gradients, (self.preset.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        self._skip.copy_(~(torch.isfinite(norm) & torch.isfinite(loss)))
        self.optimizer.found_inf = self._skip
        self.optimizer.step()
        self._follow()
        return Outcome(loss.detach(), norm.detach(), terms)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a little towards the newest weights; statistics of batch normalisation too."""
        ours, newest = _floats(self.average), _floats(self.network)
        change = torch._foreach_sub(newest, ours)
        torch._foreach_mul_(change, self._average_weight)
        torch._foreach_add_(ours, change)

    def state_dict(self) -> dict:
        return {
            "lesson": self.lesson.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        self.lesson.load_state_dict(state["lesson"])
        self.average.load_state_dict(state["average"])
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except ValueError as error:
            raise ValueError(
                f"the saved training is of a version that arranged its parameters otherwise ({error}): begin another "
                "--output from its weights with --start"
            ) from error
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate


def _floats(module: nn.Module) -> list[Tensor]:
    """What of a network is averaged: all its state but counters. Its body is not part of it."""
    kept = module.state_dict().keys()
    own = [*module.parameters(), *(value for name, value in module.named_buffers() if name in kept)]
    return [value.detach() for value in own if value.is_floating_point()]

"""The learned optimizer: features once, then a few times reproject, look, update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from refit_ros.core.backbone import make_backbone
from refit_ros.core.body import Body
from refit_ros.core.camera import box_feature, crop_from_image_px, project, transl_from_weak_perspective
from refit_ros.core.config import NetworkConfig
from refit_ros.core.feedback import Feedback, MarkerHead
from refit_ros.core.rotations import rotmat_from_6d
from refit_ros.core.types import Crops, Estimate, Fit, Views
from refit_ros.core.update import STREAMS, Decoder, State, Update
from refit_ros.core.views import agree


@dataclass(frozen=True)
class Features:
    """What the backbone makes of B crops, once for all iterations."""

    maps: Tensor  # (B, M, S / 4, S / 4): one channel for each marker
    pooled: Tensor  # (B, C)

    def to(self, kind: torch.dtype | torch.device) -> Features:
        """The same in another precision, or on another device."""
        return Features(self.maps.to(kind), self.pooled.to(kind))


class Looked(Protocol):
    """What a network knows of B crops before its loop: `Features`, or another evidence that its reader takes."""

    @property
    def pooled(self) -> Tensor: ...  # (B, C)

    def to(self, kind: torch.dtype | torch.device, /) -> Self: ...


class Reader(Protocol):
    """What looks into the evidence; which evidence that is, its network and it agree on."""

    def hidden_markers(self, evidence: Any, /) -> Tensor | None: ...

    def __call__(self, *evidence_and_body: Any) -> Tensor: ...


class Refit(nn.Module):
    """ReFit (Wang and Daniilidis, ICCV 2023): one loop for one view, many views, a known shape and a warm start.

    `body` is moved with the network and is not saved with it. `update`, `decoder` and `feedback` may be replaced
    by modules of the same interface.
    """

    init_pose: Tensor  # (1, 144) where the loop begins: no rotation, mean shape, a camera that shows the whole body
    init_shape: Tensor  # (1, 10)
    init_cam: Tensor  # (1, 3)
    init_layer: nn.Module
    feedback: Reader

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__()
        self.config = config
        self.body = body
        self.trained = False  # set by whoever loads or trains the weights
        self.embedded = False  # the weights are those that come with this package
        self.weights_name = "untrained"
        self.register_buffer("init_pose", torch.tensor([[1.0, 0, 0, 1, 0, 0] * 24]))  # no computing: see `stacked._joined`
        self.register_buffer("init_shape", torch.zeros(1, 10))
        self.register_buffer("init_cam", torch.tensor([[0.9, 0.0, 0.0]]))
        self._make_eyes(config)
        self.update: nn.Module = Update(config)
        self.decoder: nn.Module = Decoder(config)

    def _make_eyes(self, config: NetworkConfig) -> None:
        """What turns images into the first hidden states and into feedback."""
        if len(self.body.markers) != config.markers:
            raise ValueError(
                f"the network looks through {config.markers} markers and the body '{self.body.name}' "
                f"has {len(self.body.markers)}"
            )
        backbone = make_backbone(config)
        self.backbone: nn.Module = backbone
        self.init_layer = nn.Linear(backbone.pooled_channels, STREAMS * config.hidden)
        self.head = MarkerHead(backbone.map_channels, config)
        self.feedback = Feedback(config)

    def forward(
        self,
        crops: Crops,
        views: Views | None = None,
        betas: Tensor | None = None,
        start: Estimate | None = None,
        iterations: int | None = None,
    ) -> Fit:
        """Crops -> a body for each; see `fit`."""
        return self.fit(self.encode(crops.images), crops, views, betas, start, iterations)

    def encode(self, images: Tensor) -> Features:
        """images (B, 3, S, S), normalised; S must be the configuration's."""
        size = self.config.image_size
        if tuple(images.shape[1:]) != (3, size, size):
            raise ValueError(f"images has shape {tuple(images.shape)}, expected (B, 3, {size}, {size})")
        maps, pooled = self.backbone(images)
        return Features(self.head(maps), pooled)

    def fit(
        self,
        features: Looked,
        crops: Crops,
        views: Views | None = None,
        betas: Tensor | None = None,
        start: Estimate | None = None,
        iterations: int | None = None,
    ) -> Fit:
        """Bodies for B crops.

        views: which crops show the same person; they then share shape, body pose and world orientation.
        betas (B, 10): known shapes, held after every update; a row of NaN leaves that crop's shape free.
        start: where to begin instead of the network's own first guess; its `weak_perspective` is that of these
        crops, its `transl` is not read; a row whose `weak_perspective` is NaN begins cold.
        iterations: None for the configuration's. The loop runs in the network's own precision, outside autocast.
        """
        with torch.autocast(crops.images.device.type, enabled=False):
            features = features.to(self.init_pose.dtype)
            box = box_feature(crops)
            # h0 = tanh(W z);  x0 = init + D(h0);  then all hidden states start from zero
            hidden = torch.tanh(self.init_layer(features.pooled)).unflatten(1, (STREAMS, self.config.hidden))
            state = self._initial(box.shape[0]) + self.decoder(hidden, box)
            state = self._constrain(_started(state, start), views, betas)
            history = [self._estimate(state, crops)]
            hidden = torch.zeros_like(hidden)
            hidden_markers = self._hide(features)
            for _ in range(self.config.iterations if iterations is None else iterations):
                state = state.detach()
                # p = project(markers(x));  f = feedback(maps around p)
                seen = self._look(features, history[-1], crops, hidden_markers)
                # h = GRU(h, [f, box, x])
                hidden = self.update(hidden, seen, box, state)
                # x = x + D(h), then what is known is put back
                state = self._constrain(state + self.decoder(hidden, box), views, betas)
                history.append(self._estimate(state, crops))
            return Fit(history[-1], tuple(history))

    def _hide(self, features: Any) -> Tensor | None:
        """Which markers see nothing in this call, in training; see `Feedback.hidden_markers`."""
        return self.feedback.hidden_markers(features.maps)

    def _look(self, features: Any, estimate: Estimate, crops: Crops, hidden_markers: Tensor | None) -> Tensor:
        """What the evidence says of the body as it stands now, (B, feedback_features)."""
        return self.feedback(features.maps, self._reproject(estimate, crops), hidden_markers)

    def describe(self) -> str:
        """One line for people: which network, which weights, which body."""
        millions = sum(p.numel() for p in self.parameters()) / 1e6
        return (
            f"{self.config.backbone}, {self.config.image_size} px, {self.config.markers} markers, "
            f"{millions:.1f} M parameters, weights: {self.weights_name}, body: {self.body.name}"
        )

    def _initial(self, count: int) -> State:
        return State(self.init_pose.expand(count, -1), self.init_shape.expand(count, -1), self.init_cam.expand(count, -1))

    def _constrain(self, state: State, views: Views | None, betas: Tensor | None) -> State:
        if views is not None:
            state = agree(state, views)
        if betas is not None:
            state = State(state.pose, torch.where(betas.isnan(), state.betas, betas), state.camera)
        return state

    def _estimate(self, state: State, crops: Crops) -> Estimate:
        rotmats = rotmat_from_6d(state.pose.unflatten(1, (24, 6)))
        return Estimate(rotmats, state.betas, state.camera, transl_from_weak_perspective(state.camera, crops))

    @torch.no_grad()
    def _reproject(self, estimate: Estimate, crops: Crops) -> Tensor:
        """The markers of the body as it stands now, (B, M, 2) px of the crop."""
        markers_m, _ = self.body.markers_and_joints(estimate.betas, estimate.rotmats, estimate.transl)
        image_px = project(markers_m, crops.focal_px, crops.principal_px)
        return crop_from_image_px(image_px, crops.center_px, crops.side_px, self.config.image_size)


def _started(state: State, start: Estimate | None) -> State:
    """`state`, replaced by `start` in the rows that have one.

    The six numbers of a joint are not kept orthonormal, and trained networks let them grow: an update that is bold to
    orthonormal numbers is a small one to theirs. So the start's rotations get the scales of the network's own guess.
    """
    if start is None:
        return state
    warm = ~start.weak_perspective.isnan().any(dim=1, keepdim=True)
    pose = _scaled_like(start.rotmats, state.pose)
    return State(
        torch.where(warm, pose, state.pose),
        torch.where(warm, start.betas, state.betas),
        torch.where(warm, start.weak_perspective, state.camera),
    )


def _scaled_like(rotmats: Tensor, pose: Tensor) -> Tensor:
    """6D numbers (B, 144) of rotations (B, 24, 3, 3) with the triangular factor of those of `pose` (B, 144).

    Gram-Schmidt takes the columns a, b of `pose` apart into a rotation and |a|, a.b / |a| and b's rest; with these
    the other rotation's columns are put together again. It turns them back into the same rotation.
    """
    first, second = pose.unflatten(1, (24, 3, 2)).unbind(-1)
    length = first.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    along = (first * second).sum(-1, keepdim=True) / length
    rest = (second - along / length * first).norm(dim=-1, keepdim=True).clamp(min=1e-6)
    x, y = rotmats[..., 0], rotmats[..., 1]
    return torch.stack((length * x, along * x + rest * y), dim=-1).flatten(1)

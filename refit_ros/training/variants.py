"""The network with one idea taken out: what each of the paper's ideas is worth is what its absence costs.

All share data, backbone, feature head, losses and steps with ReFit, and begin with the same weights where they have them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from refit_ros.core.body import Body
from refit_ros.core.camera import box_feature
from refit_ros.core.config import NetworkConfig
from refit_ros.core.refit import Features, Refit
from refit_ros.core.types import Crops, Estimate, Fit, Views
from refit_ros.core.update import BETAS, BOX, CAMERA, POSE, STREAMS, State, Update

REGRESSION_ITERATIONS = 3


class Regression(Refit):
    """HMR (Kanazawa et al., CVPR 2018): three updates, each by one network from the pooled vector and the state."""

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__(config, body)
        inputs = self.backbone.pooled_channels + BOX + POSE + BETAS + CAMERA
        self.mlp = nn.Sequential(
            nn.Linear(inputs, 1024),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(1024, POSE + BETAS + CAMERA),
        )
        nn.init.xavier_uniform_(self.mlp[-1].weight, gain=0.01)
        del self.init_layer, self.update, self.decoder, self.feedback

    def fit(
        self,
        features: Features,
        crops: Crops,
        views: Views | None = None,
        betas: Tensor | None = None,
        start: Estimate | None = None,
        iterations: int | None = None,
    ) -> Fit:
        """As `Refit.fit`, but for `start`, which regression has no use for; the mean body is not part of the history."""
        with torch.autocast(crops.images.device.type, enabled=False):
            pooled, box = features.pooled.float(), box_feature(crops)
            state, history = self._initial(len(crops)), []
            for _ in range(iterations or REGRESSION_ITERATIONS):
                change = self.mlp(torch.cat((pooled, box, state.pose, state.betas, state.camera), 1))
                state = self._constrain(state + State(*change.split((POSE, BETAS, CAMERA), 1)), views, betas)
                history.append(self._estimate(state, crops))
            return Fit(history[-1], tuple(history))


class _GlobalFeedback(nn.Module):
    """Tells the update what the whole crop shows, whatever the estimate: the pooled vector, through a linear layer."""

    def __init__(self, channels: int, config: NetworkConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, config.feedback_features)
        self.pooled: Tensor | None = None

    def hidden_markers(self, maps: Tensor) -> None:
        return None

    def forward(self, maps: Tensor, markers_px: Tensor, hidden_markers: None = None) -> Tensor:
        return self.linear(self.pooled)


class WithoutFeedback(Refit):
    """The same updates, from the pooled vector: nobody looks where the estimate projects to."""

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__(config, body)
        self.feedback = _GlobalFeedback(self.backbone.pooled_channels, config)

    def fit(self, features: Features, *args, **kwargs) -> Fit:
        """As `Refit.fit`."""
        self.feedback.pooled = features.pooled.float()
        return super().fit(features, *args, **kwargs)


class _Gru(nn.Module):
    """h (B, H), x (B, I) -> (B, H); Cho et al., 2014."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lz, self.lr, self.lq = (nn.Linear(hidden + inputs, hidden) for _ in range(3))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        hx = torch.cat((h, x), dim=-1)
        z, r = torch.sigmoid(self.lz(hx)), torch.sigmoid(self.lr(hx))
        q = torch.tanh(self.lq(torch.cat((r * h, x), dim=-1)))
        return (1 - z) * h + z * q


class _SharedUpdate(nn.Module):
    """One GRU over all 26 hidden states together; it has more parameters than the 26 apart."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.gru = _Gru(config.feedback_features + BOX + POSE + BETAS + CAMERA, STREAMS * config.hidden)

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        x = torch.cat((feedback, box, state.pose, state.betas, state.camera), dim=1)
        return self.gru(hidden.flatten(1), x).unflatten(1, hidden.shape[1:])


class SharedGru(Refit):
    """One GRU instead of 26 disentangled ones."""

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__(config, body)
        self.update = _SharedUpdate(config)


class _ForgetfulUpdate(Update):
    """Every iteration begins with empty hidden states."""

    def forward(self, hidden: Tensor, feedback: Tensor, box: Tensor, state: State) -> Tensor:
        return super().forward(torch.zeros_like(hidden), feedback, box, state)


class WithoutMemory(Refit):
    """The hidden states are not carried from one iteration to the next."""

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__(config, body)
        self.update = _ForgetfulUpdate(config)


VARIANTS: dict[str, Callable[[NetworkConfig, Body], Refit]] = {
    "refit": Refit,
    "regression": Regression,
    "no_feedback": WithoutFeedback,
    "shared_gru": SharedGru,
    "no_memory": WithoutMemory,
}


def load_variant(name: str, weights: str, body: Body, device: torch.device | str = "cpu") -> Refit:
    """A variant's weights as `train --variants` wrote them. Raises ValueError for a variant or a file that is not one."""
    from safetensors.torch import load_file

    from refit_ros.core.checkpoint import load_network, read_metadata
    from refit_ros.core.published import own_name

    if name not in VARIANTS:
        raise ValueError(f"there is no variant '{name}': choose from {', '.join(VARIANTS)}")
    if name == "refit":
        return load_network(weights, body=body, device=device)
    facts = read_metadata(weights)
    if facts.get("variant") != name:
        raise ValueError(f"{weights} holds the variant '{facts.get('variant', 'refit')}', not '{name}'")
    network = VARIANTS[name](NetworkConfig.from_json(facts["config"]), body)
    network.load_state_dict(
        {own_name(key): value.float() if value.is_floating_point() else value for key, value in load_file(weights).items()}
    )
    network.trained = True
    return network.to(device).eval()

"""Feedback: what the feature maps say around each marker of the body as it is posed now."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refit_ros.core.config import NetworkConfig
from refit_ros.core.multi_linear import MultiLinear

MAP_STRIDE = 4  # crop pixels to one pixel of the feature maps, in x and in y


class MarkerHead(nn.Sequential):
    """The backbone's map -> one channel for each marker: 3 x 3 convolutions, then 1 x 1 without bias."""

    def __init__(self, channels: int, config: NetworkConfig) -> None:
        layers: list[nn.Module] = []
        for _ in range(config.head_convolutions):
            layers += [
                nn.Conv2d(channels, config.head_channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(config.head_channels),
                nn.ReLU(inplace=True),
            ]
            channels = config.head_channels
        super().__init__(*layers, nn.Conv2d(channels, config.markers, 1, bias=False))


class Feedback(nn.Module):
    """Maps and markers -> one vector a crop. Each marker looks through its own window into its own channel."""

    offsets: Tensor  # (2r+1, 2r+1, 2) of a window's pixels from its middle

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.radius = config.window_radius
        self.dropout = nn.Dropout1d(config.feedback_dropout)
        area = (2 * config.window_radius + 1) ** 2
        self.windows = MultiLinear(config.markers, area, config.window_features)
        self.join = nn.Linear(config.markers * config.window_features, config.feedback_features)
        steps = np.arange(-self.radius, self.radius + 1, dtype=np.float32)
        # Entry (i, j) lies at x - r + i, y - r + j: the first index moves x.
        offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)

    def hidden_markers(self, maps: Tensor) -> Tensor | None:
        """(B, M, 1) factors that hide some markers in training, the same for all iterations; None otherwise."""
        return self.dropout(maps.new_ones(*maps.shape[:2], 1)) if self.training else None

    def look(self, maps: Tensor, markers_px: Tensor) -> Tensor:
        """maps (B, M, H, W), markers (B, M, 2) px of the crop -> windows (B, M, (2r+1)^2), zero outside the map."""
        batch, count, height, width = maps.shape
        places = markers_px.reshape(-1, 1, 1, 2) / MAP_STRIDE + self.offsets
        # grid_sample with align_corners: -1 and 1 are the middles of the outermost pixels.
        grid = 2 * places / (width - 1) - 1  # the map is square
        seen = F.grid_sample(maps.reshape(batch * count, 1, height, width), grid, align_corners=True)
        return seen.reshape(batch, count, -1)

    def forward(self, maps: Tensor, markers_px: Tensor, hidden_markers: Tensor | None = None) -> Tensor:
        """-> (B, feedback_features)."""
        features = self.windows(self.look(maps, markers_px))
        if hidden_markers is not None:
            features = features * hidden_markers
        return self.join(features.flatten(1))

"""Which network turns a crop into a feature map and a vector."""

from __future__ import annotations

from torch import nn

from refit_ros.core.config import NetworkConfig


class Backbone(nn.Module):
    """Images (B, 3, S, S) -> map (B, map_channels, S / 4, S / 4) and vector (B, pooled_channels)."""

    map_channels: int
    pooled_channels: int


def make_backbone(config: NetworkConfig) -> Backbone:
    """The backbone that the configuration names, with random weights."""
    if config.backbone == "small":
        from refit_ros.core.backbone_small import SmallBackbone

        return SmallBackbone(config.image_size)
    from refit_ros.core.backbone_hrnet import HRNet

    return HRNet(width={"hrnet_w32": 32, "hrnet_w48": 48}[config.backbone])

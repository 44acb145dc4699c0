"""Each backbone's outputs have the sizes that the rest of the network is built for."""

from __future__ import annotations

import pytest
import torch

from refit_ros.core.backbone import make_backbone
from refit_ros.core.config import SMALL, NetworkConfig


@pytest.mark.parametrize(
    ("config", "channels", "pooled", "millions"),
    [
        (NetworkConfig(backbone="hrnet_w32"), 480, 256, (28, 34)),
        (SMALL, 96, 448, (2, 4)),
    ],
)
@torch.inference_mode()
def test_sizes(config, channels, pooled, millions):
    backbone = make_backbone(config).eval()
    size = config.image_size
    maps, vector = backbone(torch.zeros(1, 3, size, size))
    assert maps.shape == (1, channels, size // 4, size // 4) and vector.shape == (1, pooled)
    assert (backbone.map_channels, backbone.pooled_channels) == (channels, pooled)
    assert millions[0] < sum(p.numel() for p in backbone.parameters()) / 1e6 < millions[1]


@torch.inference_mode()
def test_crops_of_a_batch_do_not_see_each_other():
    backbone = make_backbone(SMALL).eval()
    images = torch.randn(3, 3, 128, 128)
    together, alone = backbone(images), backbone(images[1:2])
    torch.testing.assert_close(together[0][1:2], alone[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together[1][1:2], alone[1], rtol=1e-4, atol=1e-4)

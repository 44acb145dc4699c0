"""A small detector of people: a heatmap of their middles and the four sides of each box.

After CenterNet (Zhou, Wang and Kraehenbuehl, "Objects as Points", 2019): no anchors, no non-maximum suppression inside;
a middle is a local maximum of the heatmap. The sides are read at that point, as distances (FCOS, Tian et al., 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from refit_ros.core.camera import IMAGENET_MEAN, IMAGENET_STD

STRIDE = 4
DEEPEST = 32  # images must be multiples of this
LONGER_SIDE_PX = 192  # images are shrunk to this
WIDTHS = (24, 32, 48, 80, 112)
NECK = 48


def normalised(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 RGB to float with ImageNet's mean and deviation removed."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None] * 255
    deviation = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None] * 255
    return (images.float() - mean) / deviation


class Block(nn.Module):
    """A residual block of a depthwise 5 x 5 and two pointwise convolutions (after ConvNeXt, batch-normalised)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(functional.relu(self.widen(self.norm(self.depthwise(x)))))


def _down(incoming: int, outgoing: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outgoing), nn.ReLU()
    )


def _head(outputs: int, beginning: float) -> nn.Sequential:
    """Maps of NECK channels -> `outputs`, to which a fresh network adds `beginning`."""
    first, last = nn.Conv2d(NECK, NECK, 3, padding=1), nn.Conv2d(NECK, outputs, 1)
    assert last.bias is not None
    nn.init.constant_(last.bias, beginning)
    return nn.Sequential(first, nn.ReLU(), last)


class DetectorNetwork(nn.Module):
    """(B, 3, H, W), ImageNet-normalised, H and W multiples of 32, to heat (B, H/4, W/4) logits and sides (B, 4, H/4, W/4).

    Sides are left, top, right, bottom distances in units of the stride, from the middle of the map's pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        steps = zip((3, *WIDTHS), WIDTHS)
        depth = (0, 1, 2, 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(_down(a, b), *(Block(b) for _ in range(n))) for (a, b), n in zip(steps, depth)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS[1:])
        self.smooth = nn.Sequential(Block(NECK), Block(NECK))
        self.heat = _head(1, -4.0)  # nearly every pixel is nobody's middle
        self.sides = _head(4, 2.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        levels = []
        x = images
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        joined = self.laterals[-1](levels[-1])
        for level, lateral in zip(reversed(levels[1:-1]), reversed(self.laterals[:-1])):
            joined = lateral(level) + functional.interpolate(joined, size=level.shape[-2:], mode="nearest")
        joined = self.smooth(joined)
        # Exponential, so that a box twice as large is one step away whatever its size.
        return self.heat(joined)[:, 0].float(), self.sides(joined).float().clamp(-4, 5.5).exp()


def boxes_from_maps(heat: Tensor, sides: Tensor, most: int = 100) -> tuple[Tensor, Tensor]:
    """Heat (B, h, w) logits and sides (B, 4, h, w) to the `most` best boxes (B, K, 4) in input px and (B, K) confidences."""
    score = heat.sigmoid()
    peak = functional.max_pool2d(score[:, None], 3, stride=1, padding=1)[:, 0]
    score = torch.where(score == peak, score, torch.zeros_like(score))
    height, width = score.shape[1:]
    best, place = score.flatten(1).topk(min(most, height * width), dim=1)
    y, x = (place // width + 0.5) * STRIDE, (place % width + 0.5) * STRIDE
    distance = sides.flatten(2).gather(2, place[:, None].expand(-1, 4, -1)) * STRIDE
    return torch.stack([x - distance[:, 0], y - distance[:, 1], x + distance[:, 2], y + distance[:, 3]], -1), best


def maps_from_boxes(boxes: Tensor, valid: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the network should say of boxes (B, N, 4) in input px, valid (B, N).

    Returns heat (B, h, w) 0 .. 1, sides (B, 4, h, w) and where the sides count (B, h, w), h = height / 4.

    Each middle is a Gaussian whose width grows with the box; where two overlap the larger value holds.
    """
    h, w = height // STRIDE, width // STRIDE
    y, x = torch.meshgrid(
        torch.arange(h, device=boxes.device) + 0.5, torch.arange(w, device=boxes.device) + 0.5, indexing="ij"
    )
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2 / STRIDE
    # The peak lies exactly on a pixel, so that its target is exactly 1.
    pixel = middle.floor() + 0.5
    spread = ((boxes[..., 2:] - boxes[..., :2]) / STRIDE * 0.09).clamp(min=0.7)
    dx = (x - pixel[..., 0, None, None]) / spread[..., 0, None, None]
    dy = (y - pixel[..., 1, None, None]) / spread[..., 1, None, None]
    each = torch.exp(-0.5 * (dx * dx + dy * dy)) * valid[..., None, None]
    heat, owner = each.max(1)
    mine = boxes.gather(1, owner.flatten(1)[..., None].expand(-1, -1, 4)).unflatten(1, (h, w)) / STRIDE
    sides = torch.stack([x - mine[..., 0], y - mine[..., 1], mine[..., 2] - x, mine[..., 3] - y], 1)
    counted = (heat > 0.5) & (sides > 0.05).all(1)
    return heat, sides.clamp(min=0.05), counted


def loss(heat: Tensor, sides: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    """Penalty-reduced focal loss of the heatmap (CenterNet, eq. 1) and an L1 loss of the sides' logarithms."""
    wanted, far, counted = maps_from_boxes(boxes, valid, heat.shape[1] * STRIDE, heat.shape[2] * STRIDE)
    probability = heat.sigmoid().clamp(1e-5, 1 - 1e-5)
    positive = (wanted > 0.999).float()
    missed = positive * (1 - probability) ** 2 * probability.log()
    false = (1 - positive) * (1 - wanted) ** 4 * probability**2 * (1 - probability).log()
    people = positive.sum().clamp(min=1)
    side = ((sides.log() - far.log()).abs().mean(1) * counted).sum() / counted.sum().clamp(min=1)
    return -(missed + false).sum() / people + 2.0 * side

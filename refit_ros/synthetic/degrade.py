"""What a camera does to a clean image: blur, exposure, noise, JPEG. Images are (N, 3, H, W), 0 .. 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from refit_ros.synthetic.dice import Dice

NOISES = 48
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def blur(images: Tensor, sigma_px: Tensor, radius: int = 2) -> Tensor:
    """Gaussian of each image's own width (N,)."""
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma_px.clamp(min=0.05)[:, None] ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    for dim in (2, 3):
        size = images.shape[dim]
        first, last = images.narrow(dim, 0, 1), images.narrow(dim, size - 1, 1)
        padded = torch.cat([first] * radius + [images] + [last] * radius, dim)
        total = padded.narrow(dim, 0, size) * kernel[:, 0, None, None, None]
        for k in range(1, 2 * radius + 1):
            total.addcmul_(padded.narrow(dim, k, size), kernel[:, k, None, None, None])
        images = total
    return images


def streak(images: Tensor, dx: int, dy: int) -> Tensor:
    """Motion blur: the mean of three copies shifted along (dx, dy) px."""
    return (images + images.roll((dy, dx), (2, 3)) + images.roll((-dy, -dx), (2, 3))) / 3


def noise_bank(dice: Dice, height: int, width: int) -> Tensor:
    """(NOISES, 3, height, width): unit noise, half of it coarse as demosaicing leaves it."""
    fine = dice.normal(NOISES, 3, height, width)
    coarse = (fine + fine.roll(1, 2) + fine.roll(1, 3) + fine.roll((1, 1), (2, 3))) / 2
    fine[::2] = coarse[::2]
    return fine


def add_noise(dice: Dice, images: Tensor, bank: Tensor, sigma: Tensor) -> Tensor:
    """Adds noise of each image's own strength (N,)."""
    picked = bank[dice.below(len(bank), len(images))]
    shift = dice.below(64, 2).cpu() if images.device.type == "cpu" else None
    if shift is not None:
        picked = picked.roll((int(shift[0]), int(shift[1])), (2, 3))
    sign = torch.where(dice.chance(0.5, len(images)), sigma, -sigma)
    return torch.addcmul(images, picked, sign[:, None, None, None])


def _dct(device: torch.device) -> Tensor:
    k, n = torch.arange(8.0, device=device)[:, None], torch.arange(8.0, device=device)[None]
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    return torch.where(k == 0, matrix / math.sqrt(2), matrix)


def jpeg(images: Tensor, step: Tensor) -> Tensor:
    """What coarse quantisation of 8 x 8 cosine blocks leaves, `step` (N,) in 0 .. 1; colour is quantised twice as coarsely.

    Height and width must be multiples of 8.
    """
    n, _, height, width = images.shape
    to_ycc, to_rgb = (torch.tensor(rows, device=images.device) for rows in (_TO_YCC, _TO_RGB))
    matrix = _dct(images.device)
    both = torch.kron(matrix, matrix)  # of a block's 64 numbers, row by row
    ycc = (to_ycc @ images.flatten(2)).view(n, 3, height // 8, 8, width // 8, 8)
    blocks = ycc.transpose(3, 4).reshape(n, 3, -1, 64)
    k = torch.arange(8.0, device=images.device)
    coarse = (1 + (k[:, None] + k[None]) * 0.6).flatten()
    coarse = (step[:, None, None] * torch.stack([coarse, 2 * coarse, 2 * coarse]))[:, :, None]  # (N, 3, 1, 64)
    spectrum = torch.round(blocks @ both.T / coarse) * coarse
    back = (spectrum @ both).view(n, 3, height // 8, width // 8, 8, 8).transpose(3, 4).reshape(n, 3, height * width)
    return (to_rgb @ back).view(n, 3, height, width)


def develop(dice: Dice, images: Tensor, blur_px: Tensor, noises: Tensor) -> Tensor:
    """Everything in turn, each image with its own strengths; blur_px (N,) is what its optics and its scaling cost."""
    count = len(images)
    images = blur(images, blur_px)
    moved = dice.order(count)[: count // 12]
    if len(moved):
        images[moved] = streak(images[moved], 1, 1)
    images = images.clamp(0, 1.5) ** dice.uniform(0.72, 1.25, count, 1, 1, 1)
    images = images * (dice.uniform(0.75, 1.3, count, 1, 1, 1) * (1 + dice.normal(count, 3, 1, 1, sigma=0.05)))
    images = add_noise(dice, images, noises, dice.uniform(0, 1, count) ** 2 * 0.05)
    packed = dice.order(count)[: count * 2 // 5]
    if len(packed):
        images[packed] = jpeg(images[packed], dice.uniform(0.015, 0.12, len(packed)))
    return images.clamp(0, 1)

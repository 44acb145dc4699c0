"""What is behind and before people: a bank of made-up rooms (or photographs), and cut-outs of it."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.synthetic.dice import Dice

BANK_SIDE_PX = 192
PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def paint_bank(dice: Dice, count: int, photographs: Path | str | None = None) -> Tensor:
    """(count, S, S, 3) float 0 .. 1 images without people; every second one from the folder where one is given.

    Raises ValueError when the folder holds no image that can be read.
    """
    rooms = [_rooms(dice, min(16, count - start)) for start in range(0, count, 16)]
    bank = torch.cat(rooms)
    if photographs is not None:
        images = read_photographs(Path(photographs), count).to(bank.device)
        bank[::2] = images[torch.arange(len(bank[::2]), device=bank.device) % len(images)]
    return bank


def read_photographs(folder: Path, most: int) -> Tensor:
    """(n, S, S, 3) 0 .. 1: squares from the middle of a folder's images. Raises ValueError when there is none."""
    import cv2

    images = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        image = cv2.imread(str(path)) if path.suffix.lower() in PHOTOGRAPHS else None
        if image is None:
            continue
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = cv2.resize(
            image[top : top + side, left : left + side, ::-1], (BANK_SIDE_PX, BANK_SIDE_PX), interpolation=cv2.INTER_AREA
        )
        images.append(torch.from_numpy(square.copy()).float() / 255)
        if len(images) == most:
            break
    if not images:
        raise ValueError(f"{folder} holds no image ({', '.join(PHOTOGRAPHS)}); give a folder of photographs, or none")
    return torch.stack(images)


def _rooms(dice: Dice, count: int) -> Tensor:
    side, device = BANK_SIDE_PX, dice.device
    axis = torch.linspace(-1, 1, side, device=device)
    y, x = axis[None, :, None], axis[None, None, :]

    def each(low: float, high: float) -> Tensor:
        return dice.uniform(low, high, count, 1, 1)

    def color() -> Tensor:
        grey, strong = dice.uniform(0, 1, count, 1, 1, 1), dice.uniform(0, 1, count, 1, 1, 3)
        return torch.lerp(grey.expand_as(strong), strong, dice.uniform(0, 1, count, 1, 1, 1) ** 1.5)

    def over(image: Tensor, mask: Tensor, paint: Tensor) -> Tensor:
        return torch.where(mask[..., None], paint, image)

    horizon = each(-0.2, 1.2) + each(-0.2, 0.2) * x
    image = over(color().expand(count, side, side, 3), y > horizon, color())
    corner = each(-1.5, 1.5)
    image = over(image, (x > corner + each(-0.2, 0.2) * y) & (y < horizon) & (each(0, 1) < 0.5), color())
    near = 1 / (y - horizon).abs().clamp(min=0.05)
    tiles = torch.sin(each(1, 9) * near) * torch.sin(x * near * each(2, 9))
    image = over(image, (y > horizon) & (tiles > 0.2) & (each(0, 1) < 0.4), color())
    wall = torch.sin(each(5, 40) * (x + each(-1, 1) * y) + each(0, 6)) > each(0.2, 0.98)
    image = over(image, (y < horizon) & wall & (each(0, 1) < 0.35), color())
    for _ in range(9):  # furniture, doors, windows, pictures; tall ones look a little like people
        cx, cy, w, h = each(-1.1, 1.1), each(-1.1, 1.1), each(0.02, 0.5), each(0.03, 0.7)
        lean = each(-0.3, 0.3)
        dx, dy = (x - cx) - lean * (y - cy), (y - cy) + lean * (x - cx)
        box = (dx.abs() < w) & (dy.abs() < h)
        round_ = (dx / w) ** 2 + (dy / h) ** 2 < 1
        shape = torch.where(each(0, 1) < 0.65, box, round_) & (each(0, 1) < 0.75)
        lines = torch.sin(each(8, 60) * torch.where(each(0, 1) < 0.5, dx, dy)) > 0.3
        paint = torch.where((lines & (each(0, 1) < 0.35))[..., None], color(), color() * (0.85 + 0.15 * dy[..., None]))
        image = over(image, shape, paint)
    shade = 1 + each(-0.35, 0.35)[..., None] * x[..., None] + each(-0.35, 0.35)[..., None] * y[..., None]
    image = image * shade
    for cells, strength in ((3, 0.22), (9, 0.16), (30, 0.12), (96, 0.10)):
        noise = dice.normal(count, 1, cells, cells) + 0.25 * dice.normal(count, 3, cells, cells)
        noise = F.interpolate(noise, (side, side), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
        image = image + noise * strength * dice.uniform(0, 1, count, 1, 1, 1) ** 2
    return image.clamp(0, 1)


def cut_outs(
    dice: Dice, bank: Tensor, count: int, height: int, width: int, zoom: tuple[float, float] = (0.5, 1.0)
) -> Tensor:
    """(count, height, width, 3): random windows of random images of the bank, mirrored, tinted and of other contrast."""
    images, side = bank.shape[0], bank.shape[1]
    index = dice.below(images, count)
    scale = dice.uniform(*zoom, count) * (side - 1) / max(height, width)
    aspect = torch.exp(dice.uniform(-0.25, 0, count))
    flip = dice.chance(0.5, count)
    left = dice.uniform(0, 1, count) * (side - 1 - scale * (width - 1)).clamp(min=0)
    top = dice.uniform(0, 1, count) * (side - 1 - scale * aspect * (height - 1)).clamp(min=0)
    column = torch.arange(width, device=bank.device)
    column = torch.where(flip[:, None], width - 1 - column, column)
    xs = (left[:, None] + scale[:, None] * column).long().clamp(0, side - 1)
    ys = (top[:, None] + (scale * aspect)[:, None] * torch.arange(height, device=bank.device)).long().clamp(0, side - 1)
    place = (index[:, None, None] * side + ys[:, :, None]) * side + xs[:, None, :]
    picked = bank.flatten(0, 2)[place.flatten()].view(count, height, width, 3)
    gain = dice.uniform(0.45, 1.3, count, 1, 1, 1) * (1 + dice.normal(count, 1, 1, 3, sigma=0.08))
    return picked * gain + dice.uniform(-0.08, 0.12, count, 1, 1, 1)


def occluders(dice: Dice, count: int, height: int, width: int) -> Tensor:
    """(count, height, width) bool: a leaning box, bar or disc before the person, mostly not over the middle of it."""
    device = dice.device

    def each(low: float, high: float) -> Tensor:
        return dice.uniform(low, high, count, 1, 1)

    y = torch.linspace(-1, 1, height, device=device)[None, :, None]
    x = torch.linspace(-1, 1, width, device=device)[None, None]
    around, away = each(0, 6.2832), each(0.25, 0.95)
    cx, cy = away * torch.cos(around), away * torch.sin(around)
    lean = each(-0.8, 0.8)
    dx, dy = (x - cx) * torch.cos(lean) + (y - cy) * torch.sin(lean), (y - cy) * torch.cos(lean) - (x - cx) * torch.sin(lean)
    w, h = each(0.06, 0.38), each(0.08, 0.5)
    bar = each(0, 1) < 0.2
    w, h = torch.where(bar, w * 0.3, w), torch.where(bar, torch.full_like(h, 3.0), h)
    box = (dx.abs() < w) & (dy.abs() < h)
    return torch.where(each(0, 1) < 0.7, box, (dx / w) ** 2 + (dy / h) ** 2 < 1)

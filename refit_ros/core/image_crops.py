"""Crops cut where the network runs: an image is sent to the GPU once, as bytes, and every crop is cut out of it there."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from refit_ros.core.camera import IMAGENET_MEAN, IMAGENET_STD

_MOST_SAMPLES = 4  # a crop pixel is the mean of at most so many by so many samples


class ImageCrops:
    """Cuts normalised crops of S x S px out of undistorted images, on `device`."""

    def __init__(self, crop_size: int, device: torch.device | str) -> None:
        self.size, self.device = crop_size, torch.device(device)
        self._scale = torch.tensor([1 / (255 * d) for d in IMAGENET_STD], device=self.device)[:, None, None]
        self._shift = torch.tensor([m / d for m, d in zip(IMAGENET_MEAN, IMAGENET_STD)], device=self.device)[:, None, None]
        self._pinned: Tensor | None = None

    def upload(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 in this process's memory -> the same on the device, through pinned memory.

        The copy goes on while the processor does other things; the image may be changed once this returns.
        """
        if self.device.type != "cuda":
            return torch.from_numpy(np.array(image))
        if self._pinned is None or self._pinned.shape != image.shape:
            self._pinned = torch.empty(image.shape, dtype=torch.uint8, pin_memory=True)
            self._sent = torch.cuda.Event()
        else:
            self._sent.synchronize()  # the last image has left
        np.copyto(self._pinned.numpy(), image)
        sent = self._pinned.to(self.device, non_blocking=True)
        self._sent.record()
        return sent

    def cut_from_all(self, images: list[np.ndarray], center_px: np.ndarray, side_px: np.ndarray) -> Tensor:
        """Crop i out of images[i] (H, W, 3) uint8, in this process's memory; one that comes again is sent only once."""
        members: dict[int, list[int]] = {}
        for i, image in enumerate(images):
            members.setdefault(id(image), []).append(i)
        crops = torch.empty(len(images), 3, self.size, self.size, device=self.device)
        for indices in members.values():
            crops[indices] = self.cut(self.upload(images[indices[0]]), center_px[indices], side_px[indices])
        return crops

    def cut(self, image: Tensor, center_px: np.ndarray, side_px: np.ndarray) -> Tensor:
        """image (H, W, 3) uint8 on the device; squares by centre (B, 2) and side (B,) px -> (B, 3, S, S) float32.

        Crop pixel i shows left + (i + 0.5) side / S - 0.5, bilinear, black outside; where the image is finer than
        the crop, several samples are averaged.
        """
        samples = min(_MOST_SAMPLES, max(1, math.ceil(float(np.max(side_px)) / self.size)))
        count, fine = len(side_px), self.size * samples
        height, width = image.shape[:2]
        squares = torch.from_numpy(np.column_stack((center_px, side_px)).astype(np.float32)).to(self.device)
        step = (torch.arange(fine, device=self.device) + 0.5) / fine - 0.5
        places = squares[:, None, :2] + step[None, :, None] * squares[:, None, 2:]  # (B, fine, 2), + 0.5 px
        grid_x = (places[..., 0] * 2 / width - 1)[:, None, :].expand(-1, fine, -1)
        grid_y = (places[..., 1] * 2 / height - 1)[:, :, None].expand(-1, -1, fine)
        grid = torch.stack((grid_x, grid_y), dim=-1).reshape(1, count * fine, fine, 2)
        seen = F.grid_sample(image.permute(2, 0, 1)[None].float(), grid, align_corners=False)
        if samples > 1:
            seen = F.avg_pool2d(seen, samples)
        crops = seen.reshape(3, count, self.size, self.size).transpose(0, 1)
        return crops * self._scale - self._shift

"""The detector that comes with the package: small, and trained on synthetic people."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from refit_ros.camera.boxes import Boxes
from refit_ros.detection.network import DEEPEST, LONGER_SIDE_PX, DetectorNetwork, boxes_from_maps, normalised
from refit_ros.detection.protocol import nobody

LEAST = 0.05  # boxes below this are noise; what counts is the settings' to say


def embedded_weights() -> Path:
    """Where the embedded detector's weights are, or would be."""
    return Path(str(resources.files("refit_ros") / "data" / "detector_small.safetensors"))


class BuiltinDetector:
    """Finds people with the embedded network."""

    def __init__(self, device: torch.device | str = "cpu", weights: Path | None = None) -> None:
        """Raises FileNotFoundError naming the path tried, ValueError where the file holds another network."""
        path = weights or embedded_weights()
        if not path.is_file():
            raise FileNotFoundError(
                f"no detector at {path}; train one: python -m refit_ros.training.train_detector --output {path.parent}"
            )
        self._network = DetectorNetwork()
        try:
            self._network.load_state_dict(load_file(path))
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{path} does not hold this version's detector: {str(error).splitlines()[0]}") from error
        self._network.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def find(self, images: Sequence[np.ndarray]) -> list[Boxes]:
        """Boxes in each image (H, W, 3) uint8 RGB; images of one size go through the network together."""
        found = [nobody() for _ in images]
        sizes = {image.shape[:2] for image in images}
        for size in sizes:
            indices = [index for index, image in enumerate(images) if image.shape[:2] == size]
            scale, small = _shrunk([images[index] for index in indices])
            heat, sides = self._network(normalised(torch.from_numpy(small).to(self._device).permute(0, 3, 1, 2)))
            boxes, confidence = (value.double().cpu().numpy() for value in boxes_from_maps(heat, sides))
            for row, index in enumerate(indices):
                sure = confidence[row] > LEAST
                # The middle of a pixel is at a half here and at a whole number in the image.
                found[index] = Boxes((boxes[row][sure]) / scale - 0.5, confidence[row][sure])
        return found


def _shrunk(images: Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
    """Images of one size on grey canvases (N, h, w, 3) whose sides are multiples of 32; and the scale."""
    height, width = images[0].shape[:2]
    scale = LONGER_SIDE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.full((len(images), -(-size[1] // DEEPEST) * DEEPEST, -(-size[0] // DEEPEST) * DEEPEST, 3), 114, np.uint8)
    for index, image in enumerate(images):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas[index, : size[1], : size[0]] = cv2.resize(image, size, interpolation=way)
    return scale, canvas

"""The images on which the original and this project's decoding are compared; needs numpy, OpenCV and scikit-image only."""

from pathlib import Path

import cv2
import numpy as np


def images() -> dict[str, np.ndarray]:
    """(H, W, 3) uint8 RGB each."""
    from skimage import data

    astronaut = data.astronaut()  # public domain
    small = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)
    two = np.full((300, 640, 3), 96, np.uint8)
    two[60:260, 40:240] = small
    two[80:280, 380:580] = small[:, ::-1]
    drawn = cv2.imread(str(Path(__file__).parent / "drawn_people.png"))[..., ::-1]
    return {
        name: np.ascontiguousarray(image)
        for name, image in {"astronaut": astronaut, "lying": np.rot90(astronaut), "two": two, "drawn": drawn}.items()
    }

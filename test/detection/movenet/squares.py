"""The squares (S, S, 3) uint8 RGB of which reference.json tells; as a program it writes them into a folder, raw."""

import sys
from pathlib import Path

import cv2
import numpy as np
from skimage import data


def squares(side: int = 256) -> dict[str, np.ndarray]:
    """One person near, and the same one twice, smaller."""
    person = data.astronaut()
    two = np.full((256, 256, 3), 90, np.uint8)
    for left, top, size in ((0, 100, 120), (130, 60, 126)):
        two[top : top + size, left : left + size] = cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA)
    both = {"astronaut": person, "two": two}
    return {name: cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for name, image in both.items()}


if __name__ == "__main__":
    for side in (256, 192):
        for name, square in squares(side).items():
            Path(sys.argv[1], f"{name}_{side}.rgb").write_bytes(square.tobytes())

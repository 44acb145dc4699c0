"""The squares (256, 256, 3) uint8 RGB of which reference.json tells; as a program it writes them into a folder, raw."""

import sys
from pathlib import Path

import cv2
import numpy as np
from skimage import data


def squares() -> dict[str, np.ndarray]:
    """One person near, and the same one twice, smaller."""
    person = data.astronaut()
    two = np.full((256, 256, 3), 90, np.uint8)
    for left, top, side in ((0, 100, 120), (130, 60, 126)):
        two[top : top + side, left : left + side] = cv2.resize(person, (side, side), interpolation=cv2.INTER_AREA)
    return {"astronaut": cv2.resize(person, (256, 256), interpolation=cv2.INTER_AREA), "two": two}


if __name__ == "__main__":
    for name, square in squares().items():
        Path(sys.argv[1], f"{name}.rgb").write_bytes(square.tobytes())

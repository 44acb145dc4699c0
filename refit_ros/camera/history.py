"""What a camera showed before: an image of another size, or an old one, tells that something is wrong with it."""

from __future__ import annotations

import numpy as np

CLOCK_SET_BACK_S = 1.0  # further back than this, time starts anew: a video or a recording plays again
TAKEN_ANEW = 10  # so many images of another size, one after the other, are what the camera gives now


class CameraHistory:
    """Sizes and stamps of the images that each camera of a stream gave."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._stamps_s: dict[str, float] = {}
        self._others: dict[str, tuple[tuple[int, int], int]] = {}  # the last size that was refused, how often in a row

    @property
    def names(self) -> tuple[str, ...]:
        """The cameras of which images have been kept."""
        return tuple(self._stamps_s)

    def fault(self, name: str, image: np.ndarray, stamp_s: float) -> str | None:
        """Why camera `name`'s image (H, W, ...) of `stamp_s` does not continue its stream; None, and kept, if it does."""
        height, width = image.shape[:2]
        known = self._sizes.get(name, (height, width))
        if known != (height, width):
            other, count = self._others.get(name, (known, 0))
            count = count + 1 if other == (height, width) else 1
            self._others[name] = (height, width), count
            if count < TAKEN_ANEW:
                return (
                    f"its image is {width} x {height} px, and was {known[1]} x {known[0]} px before: "
                    f"keep to one size, or reset the model; after {TAKEN_ANEW} of them it is taken for the camera's own"
                )
        if not np.isfinite(stamp_s):
            return "its stamp is not a number"
        before_s = self._stamps_s.get(name, -np.inf)
        if before_s - CLOCK_SET_BACK_S <= stamp_s <= before_s:
            return (
                f"its stamp {stamp_s:.3f} s is not after the one before, {before_s:.3f} s: give each image its capture time"
            )
        self._sizes[name], self._stamps_s[name] = (height, width), stamp_s
        self._others.pop(name, None)
        return None

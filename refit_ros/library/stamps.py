"""When images that follow one another were taken, as a program tells it: what is no time in seconds is told."""

from __future__ import annotations

from collections import deque

import numpy as np

INTERVAL_S = 1 / 30  # between images that come without stamps
FARTHEST_S = 1e11  # some three thousand years: a clock that counts smaller units passes this, one of seconds does not
UNITS = ((1e17, "nanoseconds", "1e9"), (1e14, "microseconds", "1e6"), (FARTHEST_S, "milliseconds", "1e3"))
STEPS = 3  # as many in a row that are longer than anybody is remembered for


class TrackStamps:
    """The stamps of one stream of images. `note`: a sentence where the last ones lie too far apart to follow anybody."""

    def __init__(self, remembered_s: float) -> None:
        """remembered_s: for how long somebody who is not seen is known."""
        self._remembered_s, self._last_s = remembered_s, -INTERVAL_S
        self.note = ""
        self._steps_s: deque[float] = deque(maxlen=STEPS)

    def taken(self, stamp_s: float | None) -> float:
        """The time of the next image in seconds; None: an interval after the one before.

        What is not finite comes back as it is, and is not counted on from. Raises ValueError, with a sentence, for what
        must be another unit.
        """
        if stamp_s is None:
            self._steps_s.clear()
            self.note = ""
            self._last_s += INTERVAL_S
            return self._last_s
        taken_s = float(stamp_s)
        if not np.isfinite(taken_s):
            return taken_s
        for least, unit, factor in UNITS:
            if abs(taken_s) >= least:
                raise ValueError(f"stamp_s is {taken_s:.3g}: it is in seconds, and these must be {unit}; divide by {factor}")
        self._steps_s.append(taken_s - self._last_s)
        self._last_s = taken_s
        self.note = self._doubt()
        return taken_s

    def _doubt(self) -> str:
        """The sentence, which stays the same as long as it holds. Fewer steps say nothing: a camera may have paused."""
        if len(self._steps_s) < STEPS or min(self._steps_s) <= self._remembered_s:
            return ""
        return self.note or (
            f"images were taken {float(np.median(self._steps_s)):g} s apart by their stamps, and who is not seen for "
            f"{self._remembered_s:g} s (death_s) is forgotten, so nobody is followed: stamp_s is in seconds; "
            "were these milliseconds?"
        )

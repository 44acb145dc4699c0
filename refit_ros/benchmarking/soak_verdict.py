"""Whether what a long run was asked every few seconds is flat, or what grows and by how much.

The slope is Theil's and Sen's, the median of the slopes between all pairs: a restart, a lost camera or a second in which
something else had the processor do not move it. Only the second half counts; a program fills its caches in the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 10  # samples in the second half; of fewer nothing can be said
MOST_PAIRS = 1500  # samples that are compared with each other: more are thinned out first
SURE = 0.99  # how sure it must be that a slope is one


@dataclass(frozen=True)
class Bound:
    """What a figure may grow by over the second half and still count as flat."""

    figure: str
    unit: str
    most: float  # in the figure's unit; a share of the first half's median where `relative`
    relative: bool = False
    falls: bool = False  # of a figure that gets worse by falling


@dataclass(frozen=True)
class Verdict:
    """On one figure, over the second half."""

    bound: Bound
    first: float  # median of the first half
    median: float  # of the second half, as are the next two
    growth: float  # the slope times the time, in the figure's unit
    per_hour: float
    most: float  # the bound in the figure's unit
    flat: bool | None  # None: too few samples

    def sentence(self) -> str:
        unit = f" {self.bound.unit}" if self.bound.unit else ""
        if self.flat is None:
            return f"{self.bound.figure}: fewer than {FEWEST} samples in the second half, nothing can be said"
        way = "falls" if self.growth < 0 else "grows"
        by = f"{way} by {abs(self.growth):.3g}{unit} over the second half ({self.per_hour:+.3g}{unit} an hour)"
        limit = f"{self.most:.3g}{unit} would be too much"
        return f"{self.bound.figure}: flat, {by}; {limit}" if self.flat else f"{self.bound.figure}: NOT FLAT, {by}; {limit}"


def judged(bound: Bound, minutes: Sequence[float], values: Sequence[float]) -> Verdict:
    """The verdict on one figure; samples that are NaN (nothing came in that time) are left out."""
    from scipy.stats import theilslopes

    at, found = np.asarray(minutes, float), np.asarray(values, float)
    nothing = Verdict(bound, *[float("nan")] * 5, flat=None)
    if not len(at):
        return nothing
    here = np.isfinite(found)
    late = at >= (at[0] + at[-1]) / 2
    half, before = here & late, found[here & ~late]
    if half.sum() < FEWEST or not len(before):
        return nothing
    first = float(np.median(before))
    step = -(-int(half.sum()) // MOST_PAIRS)
    at, found = at[half][::step], found[half][::step]
    slope, _, low, high = theilslopes(found, at, SURE)
    span, median = at[-1] - at[0], float(np.median(found))
    most = bound.most * (abs(first) if bound.relative else 1.0)
    sure = high < 0 if bound.falls else low > 0
    worse = (-slope if bound.falls else slope) * span > most
    return Verdict(bound, first, median, float(slope * span), float(60 * slope), most, flat=not (sure and worse))

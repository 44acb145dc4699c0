"""Whether there is anybody at all, as log odds: the track score (Blackman and Popoli 1999, ch. 6.2).

What one look says is added. Looks that follow each other quickly repeat one another's mistakes, so each counts for no
more than the time since the last one: min(1, dt / memory). Birth, furniture, two tracks on one person and leaving are this
number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from refit_ros.tracking.association import LEAST, MOST
from refit_ros.tracking.config import TrackerConfig


def discount(step_s: float, config: TrackerConfig) -> float:
    """0 .. 1: how much a look counts that comes this long after the last one of its kind."""
    return min(max(step_s / config.evidence_memory_s, 0.0), 1.0)


def seen(probability: float, config: TrackerConfig) -> float:
    """Log ratio of a box that was found where a person with this probability of being found was expected."""
    return math.log(_not_certain(probability) / config.false_alarms)


def missed(probability: float) -> float:
    """Log ratio of nothing found where somebody with this probability of being found was expected."""
    return math.log1p(-_not_certain(probability))


def still_there(pose_distance2: float, config: TrackerConfig) -> float:
    """Log ratio of a pose that lies so far from the last one, in sigmas squared: a person's against furniture's.

    What the network makes of furniture changes more from look to look, by `nobody_wider`; both are taken for half normal.
    """
    wider = config.nobody_wider
    return math.log(wider) - pose_distance2 / 2 * (1 - 1 / wider**2)


def _not_certain(probability: float) -> float:
    return min(max(probability, LEAST), MOST)


@dataclass(frozen=True)
class LogOdds:
    """That somebody is a person, by two witnesses who err apart: a detector, and how the body moves.

    Each repeats its own mistakes, so neither alone is believed beyond a bound; what is above the bound is not kept.
    """

    heard: float = 0.0
    watched: float = 0.0

    @property
    def total(self) -> float:
        return self.heard + self.watched

    def hearing(self, entry: float, config: TrackerConfig) -> LogOdds:
        """After a detector's word."""
        return replace(self, heard=min(self.heard + entry, config.most_heard))

    def watching(self, entry: float, config: TrackerConfig) -> LogOdds:
        """After a look at the body."""
        return replace(self, watched=min(self.watched + entry, config.most_watched))

"""Whom another tracker followed last, so that one that takes over goes on with the same ids.

It has looked at nothing itself until then: what it knows is who was said to be where, message by message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LONGEST_S = 3.0  # after its last sight nobody is taken for the same
WALKED_ON_S = 1.5  # for which a velocity is believed
GATE_M, GATE_M_S = 0.5, 0.5  # how far somebody may be from where they were expected, and so much more for each second
CLEARLY = 2.0  # somebody else who is expected must be so many times farther away
LEAST_STEP_S = 0.05  # between two sights that a velocity is taken from
NEW_SHARE = 0.5  # of a velocity that its newest two sights make


@dataclass(frozen=True)
class _Last:
    """Of one person."""

    stamp_s: float
    place_m: np.ndarray  # (3,)
    velocity_m_s: np.ndarray  # (3,)

    def at(self, stamp_s: float) -> np.ndarray:
        return self.place_m + self.velocity_m_s * min(max(stamp_s - self.stamp_s, 0.0), WALKED_ON_S)

    def next(self, stamp_s: float, place_m: np.ndarray) -> _Last:
        passed_s = stamp_s - self.stamp_s
        if not 0 <= passed_s <= LONGEST_S:
            return _Last(stamp_s, place_m, np.zeros(3))
        if passed_s < LEAST_STEP_S:
            return self
        newest = (place_m - self.place_m) / passed_s
        return _Last(stamp_s, place_m, self.velocity_m_s + NEW_SHARE * (newest - self.velocity_m_s))


class Handover:
    """What was heard of somebody who goes, and who of theirs is who."""

    def __init__(self) -> None:
        self._last: Mapping[int, _Last] = {}  # by id

    def heard(self, stamp_s: float, places_m: Mapping[int, np.ndarray]) -> None:
        """Where the pelvis (3,) of each was at a moment, by id, in one frame throughout."""
        places = list(places_m.values())
        known = {
            number: last
            for number, last in self._last.items()
            if 0 <= stamp_s - last.stamp_s <= LONGEST_S
            # Where somebody else is now, who was lost there has got another id.
            and (number in places_m or all(np.linalg.norm(place_m - last.at(stamp_s)) > GATE_M for place_m in places))
        }
        now = {
            number: known[number].next(stamp_s, place_m) if number in known else _Last(stamp_s, place_m, np.zeros(3))
            for number, place_m in places_m.items()
        }
        self._last = {**known, **now}

    def whose(self, stamp_s: float, places_m: Mapping[int, np.ndarray]) -> dict[int, int]:
        """Own id -> the other's, of those whose place leaves no doubt; each of the other's is given once and then gone."""
        last = {number: each for number, each in self._last.items() if stamp_s - each.stamp_s <= LONGEST_S}
        off_m = {
            (own, number): float(np.linalg.norm(place_m - each.at(stamp_s)))
            for own, place_m in places_m.items()
            for number, each in last.items()
        }
        found: dict[int, int] = {}
        for (own, number), away_m in sorted(off_m.items(), key=lambda entry: entry[1]):
            gate_m = GATE_M + GATE_M_S * (stamp_s - last[number].stamp_s)
            if away_m > gate_m or own in found or number in found.values():
                continue
            rivals = [off_m[own, other] for other in last if other not in (number, *found.values())]
            rivals += [off_m[other, number] for other in places_m if other != own and other not in found]
            if all(rival > CLEARLY * away_m for rival in rivals):
                found[own] = number
        self._last = {number: each for number, each in self._last.items() if number not in found.values()}
        return found

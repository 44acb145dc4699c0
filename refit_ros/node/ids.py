"""People's ids as they are published: one that was given never comes back for somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.estimation.types import People


class Ids:
    """An estimator that forgets everybody may count from 1 again; here the count goes on."""

    def __init__(self) -> None:
        self._shift, self._highest, self._begun = 0, 0, False

    def begin_anew(self) -> None:
        """The estimator has forgotten everybody."""
        self._shift, self._begun = 0, False

    def outward(self, own: list[int], people: People | None = None) -> list[int]:
        """The ids to publish for the estimator's own of one set. people: who they are, for those who must know."""
        if own and not self._begun:
            self._shift = self._highest if min(own) <= self._highest else 0
            self._begun = True
        given = [each + self._shift for each in own]
        self._highest = max([self._highest, *given])
        return given

    def inward(self, published: int) -> int:
        """The estimator's own id of somebody; negative numbers, which mean everybody, stay."""
        return published if published < 0 else published - self._shift

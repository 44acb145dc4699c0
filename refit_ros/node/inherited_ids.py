"""Ids of a fusion node that may take over from another: people whom that one has published keep theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.node.conversions import stamp_ns
from refit_ros.node.ids import Ids
from refit_ros.tracking.handover import Handover

if TYPE_CHECKING:
    from refit_ros.estimation.types import People


class InheritedIds(Ids):
    """`heard` is called while this node waits, `outward` while it publishes."""

    def __init__(self) -> None:
        super().__init__()
        self._other, self._inherited, self._asked = Handover(), {}, set()

    def heard(self, message: Any, frame_id: str) -> None:
        """A SmplArray of the node that publishes; one in another frame than this node's says nothing of places."""
        if message.header.frame_id != frame_id:
            return
        people = {person.id: person.joints[0] for person in message.people}
        places_m = {number: np.array([pelvis.x, pelvis.y, pelvis.z]) for number, pelvis in people.items()}
        if not all(np.isfinite(place_m).all() for place_m in places_m.values()):
            return
        self._other.heard(stamp_ns(message.header.stamp) * 1e-9, places_m)
        self._highest = max([self._highest, *people])  # whoever is new then gets an id that the other has not given

    def begin_anew(self) -> None:
        super().begin_anew()
        self._inherited, self._asked = {}, set()

    def outward(self, own: list[int], people: People | None = None) -> list[int]:
        given = super().outward(own)
        if people is not None:
            new = {person.id: person.joints[0] for person in people.people if person.id not in self._asked}
            self._inherited |= self._other.whose(people.stamp_s, new) if new else {}
            self._asked |= new.keys()
        return [self._inherited.get(each, published) for each, published in zip(own, given)]

    def inward(self, published: int) -> int:
        by_published = {other: own for own, other in self._inherited.items()}
        return by_published[published] if published in by_published else super().inward(published)

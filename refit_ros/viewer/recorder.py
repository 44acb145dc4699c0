"""What everybody did lately, kept so that it can be saved."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from refit_ros.core.errors import InputError
from refit_ros.motion.assemble import motions_of
from refit_ros.motion.files import write_motion
from refit_ros.motion.types import Sighting

KEPT = 20_000  # sightings of a person: eleven minutes at 30 a second, about 20 MB
MOST_PEOPLE = 50  # the longest unseen goes first


class Recorder:
    """Takes sightings from one thread, gives them to others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, deque[Sighting]] = {}

    def add(self, sightings: Iterable[Sighting]) -> None:
        with self._lock:
            for each in sightings:
                kept = self._seen.pop(each.id, None) or deque(maxlen=KEPT)
                kept.append(each)
                self._seen[each.id] = kept  # at the end: seen last
            while len(self._seen) > MOST_PEOPLE:
                self._seen.pop(next(iter(self._seen)))

    def of(self, person: int) -> list[Sighting]:
        """In the order in which they came."""
        with self._lock:
            return list(self._seen.get(person, ()))


def motion_file(sightings: Iterable[Sighting], ending: str, body_path: str | None) -> tuple[str, bytes]:
    """A file's name and content: the last motion without a gap. ending: "npz", "bvh", "glb" or "trc".

    Raises InputError with a sentence where there is none, or where its shape is another body's.
    """
    motions = motions_of(sightings)
    if not motions:
        raise InputError("nothing is recorded of this person yet: two sets that follow one another are needed.")
    with tempfile.TemporaryDirectory(prefix="refit_view_") as folder:
        (path,) = write_motion(motions[-1], Path(folder), [ending], body_path)
        return path.name, path.read_bytes()

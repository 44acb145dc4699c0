"""Shapes that are held fixed because somebody knows them: of single people, or of everybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

EVERYBODY = -1  # as a person's id
LIMIT = 10.0  # standard deviations; nobody is further from the mean


def hold(held: dict[int, np.ndarray], person_id: int, betas: np.ndarray | None, known: Collection[int]) -> None:
    """Holds a person's betas (10,) in `held` from now on, or releases them (None); EVERYBODY: all at once.

    known: the ids of those who are followed. Raises ValueError for an id nobody has and for betas that are nobody's.
    """
    if person_id != EVERYBODY and person_id not in known:
        raise ValueError(f"nobody with id {person_id} is followed; there are: {', '.join(map(str, known)) or 'none'}")
    betas = None if betas is None else checked(betas)
    if person_id == EVERYBODY:
        held.clear()
    held.pop(person_id, None)
    if betas is not None:
        held[person_id] = betas


def checked(betas: np.ndarray) -> np.ndarray:
    """(10,) of somebody. Raises ValueError where they are nobody's."""
    betas = np.array(betas, np.float64).reshape(-1)
    if betas.shape != (10,) or not (np.abs(betas) <= LIMIT).all():
        raise ValueError(f"betas must be ten finite numbers within +-{LIMIT:g}")
    return betas


def held_shape(person_id: int | None, held: Mapping[int, np.ndarray]) -> np.ndarray | None:
    """Betas (10,) that were given for this person or for everybody, or None."""
    return held.get(EVERYBODY if person_id is None else person_id, held.get(EVERYBODY))


def of_everybody(held: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """What is held whoever is followed."""
    return {person_id: betas for person_id, betas in held.items() if person_id == EVERYBODY}

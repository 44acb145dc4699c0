"""What is known of several people, one array for each thing and one row for each person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np

_Some = TypeVar("_Some", bound="Rows")


class Rows:
    """A dataclass of arrays (N, ...), of N people."""

    def __len__(self) -> int:
        return len(self._arrays()[0])

    def __getitem__(self: _Some, chosen) -> _Some:
        """Some of the people, by a mask or indices (M,)."""
        return type(self)(*(array[chosen] for array in self._arrays()))

    def _arrays(self) -> list[np.ndarray]:
        return [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type]  # what is derived is one


def joined(parts: Sequence[_Some]) -> _Some:
    """One after the other; at least one part."""
    return type(parts[0])(*(np.concatenate(arrays) for arrays in zip(*(part._arrays() for part in parts))))

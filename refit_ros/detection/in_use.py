"""Networks that this program has in use: preparing one takes up to some seconds, and its weights much memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import torch

Network = TypeVar("Network")


class InUse(Generic[Network]):
    """One network of each kind, for as long as somebody holds it, and one prepared at a time."""

    def __init__(self) -> None:
        self._networks: WeakValueDictionary[Hashable, Network] = WeakValueDictionary()
        self._one_at_a_time = threading.Lock()

    def or_new(self, kind: Hashable, make: Callable[[], Network]) -> Network:
        """The one of this kind and of as many threads as torch has now, or what `make` makes."""
        key = kind, torch.get_num_threads()
        with self._one_at_a_time:
            network = self._networks.get(key)
            if network is None:
                self._networks[key] = network = make()
            return network

    def forget(self) -> None:
        """Whoever asks next gets a new one."""
        self._networks.clear()

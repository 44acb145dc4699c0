"""NumPy's linear algebra on one thread.

Ours are matrices of a hundred rows. Several threads make them no quicker, and where another program has displaced one of
them the others wait for it, spinning: a product of 0.1 ms then takes 40.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache

from threadpoolctl import LibController, ThreadpoolController

_lock = threading.Lock()
_within = 0  # how many calls are in such a context, of all threads together: mostly the number is the process's
_before: list[tuple[LibController, int]] = []


class on_one_thread(ContextDecorator):
    """A context, or a decorator of a function, in which NumPy and SciPy compute on one thread; PyTorch is left as it is.

    The last call that leaves it gives back the number that the first one found.
    """

    def __enter__(self) -> on_one_thread:
        global _within
        each_threads_own, everybodys = _libraries()
        self._own = _to_one(each_threads_own)
        with _lock:
            if not _within:
                _before[:] = _to_one(everybodys)
            _within += 1
        return self

    def __exit__(self, *_: object) -> None:
        global _within
        _set(self._own)
        with _lock:
            _within -= 1
            if not _within:
                _set(_before)

    def _recreate_cm(self) -> on_one_thread:
        return on_one_thread()  # each call has its own: one may run inside another


def _to_one(libraries: tuple[LibController, ...]) -> list[tuple[LibController, int]]:
    """What they had before."""
    before = [(library, library.get_num_threads()) for library in libraries]
    _set([(library, 1) for library in libraries])
    return before


def _set(numbers: list[tuple[LibController, int]]) -> None:
    for library, threads in numbers:
        # threadpoolctl 3.8 lets one thread of Python have a say alone, and what others set is silently nothing. Whoever
        # estimates is not always the same one; that no two are at odds is seen to here.
        give_up = getattr(library, "clear_controlling_thread", lambda force: None)
        give_up(force=True)
        library.set_num_threads(threads)
        give_up(force=True)


@cache
def _libraries() -> tuple[tuple[LibController, ...], tuple[LibController, ...]]:
    """Those whose number of threads is each calling thread's own, and those whose number is the process's."""
    import numpy  # noqa: F401  loads them
    import scipy.linalg  # noqa: F401

    found = [
        each for each in ThreadpoolController().lib_controllers if each.user_api == "blas" and "/torch/" not in each.filepath
    ]
    own = [each for each in found if getattr(each, "threading_layer", "") == "openmp"]
    return tuple(own), tuple(each for each in found if each not in own)

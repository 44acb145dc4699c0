"""NumPy's linear algebra on one thread.

Ours are matrices of a hundred rows. Several threads make them no quicker, and where another program has displaced one of
them the others wait for it, spinning: a product of 0.1 ms then takes 40.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from functools import cache

from threadpoolctl import LibController, ThreadpoolController


class on_one_thread(ContextDecorator):
    """A context, or a decorator of a function, in which NumPy and SciPy compute on one thread; PyTorch is left as it is."""

    def __enter__(self) -> on_one_thread:
        self._before = [(library, library.get_num_threads()) for library in _libraries()]
        for library, _ in self._before:
            library.set_num_threads(1)
        return self

    def __exit__(self, *_: object) -> None:
        for library, threads in self._before:
            library.set_num_threads(threads)

    def _recreate_cm(self) -> on_one_thread:
        return on_one_thread()  # each call has its own: one may run inside another


@cache
def _libraries() -> tuple[LibController, ...]:
    import numpy  # noqa: F401  loads them
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().lib_controllers
    return tuple(library for library in found if library.user_api == "blas" and "torch" not in library.filepath)

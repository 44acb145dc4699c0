"""Read a pickle of arrays without running anything that it asks for.

A pickle is a program. SMPL's official files are pickles of Python 2 that hold NumPy arrays, one SciPy sparse
matrix and chumpy objects. Only these are known here; chumpy and SciPy are replaced by stand-ins that keep the
numbers, so neither has to be installed.
"""
from __future__ import annotations

import collections
import copyreg
import pickle
from pathlib import Path

import numpy as np

from refit_ros.core.errors import InputError

try:
    from numpy._core.multiarray import _reconstruct, scalar
except ImportError:  # NumPy 1
    from numpy.core.multiarray import _reconstruct, scalar


class _Recorded:
    """Stands for an object of another library: keeps its state, has no behaviour."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __setstate__(self, state) -> None:
        self.state = state if isinstance(state, dict) else {"state": state}


class ChumpyValue(_Recorded):
    """A chumpy object: `Ch` holds its numbers in x, `Select` picks from another by flat indices."""

    def to_array(self) -> np.ndarray:
        state = getattr(self, "state", {})
        if "x" in state:
            return as_array(state["x"])
        if "a" in state and "idxs" in state:
            picked = as_array(state["a"]).ravel()[as_array(state["idxs"]).astype(np.int64)]
            shape = state.get("preferred_shape")
            return picked if shape is None else picked.reshape(tuple(shape))
        raise ValueError("it is a chumpy expression, not an array")


class SparseMatrix(_Recorded):
    """scipy.sparse.csc_matrix, or csr_matrix."""
    by_column = True

    def to_array(self) -> np.ndarray:
        state = getattr(self, "state", {})
        try:
            shape = tuple(int(n) for n in state.get("_shape", state.get("shape")))
            values, indices, starts = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
            dense = np.zeros(shape if not self.by_column else shape[::-1])
            owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
            np.add.at(dense, (owners, indices), values)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError("it is a damaged sparse matrix") from error
        return dense.T if self.by_column else dense


class _RowMatrix(SparseMatrix):
    by_column = False


def as_array(value) -> np.ndarray:
    """A NumPy array of whatever a body file holds. Raises ValueError where it is none."""
    if isinstance(value, (ChumpyValue, SparseMatrix)):
        return value.to_array()
    array = np.asarray(value)
    if array.dtype == object:
        raise ValueError("it is not an array of numbers")
    return array


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """In place of _codecs.encode, with which Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1"):
        raise InputError(f"the pickle asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _new_object(cls, base=None, state=None):
    """In place of copyreg._reconstructor: only ever makes a stand-in."""
    if not (isinstance(cls, type) and issubclass(cls, _Recorded)):
        raise InputError(f"the pickle rebuilds a {cls!r}")
    return cls()


_ALLOWED = {
    ("_codecs", "encode"): _latin1,
    ("copy_reg", "_reconstructor"): _new_object,
    ("copyreg", "_reconstructor"): _new_object,
    ("copyreg", "__newobj__"): copyreg.__newobj__,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
for _package in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_package, "_reconstruct"] = _reconstruct
    _ALLOWED[_package, "scalar"] = scalar
for _package in ("builtins", "__builtin__"):
    _ALLOWED[_package, "set"] = set
    _ALLOWED[_package, "object"] = object
for _package in ("scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse"):
    _ALLOWED[_package, "csc_matrix"] = _ALLOWED[_package, "csc_array"] = SparseMatrix
for _package in ("scipy.sparse.csr", "scipy.sparse._csr", "scipy.sparse"):
    _ALLOWED[_package, "csr_matrix"] = _ALLOWED[_package, "csr_array"] = _RowMatrix


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if module == "chumpy" or module.startswith("chumpy."):
            return ChumpyValue
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise InputError(f"it asks for {module}.{name}, which is no array; reading it could run code") from None


def load_arrays(path: Path) -> dict:
    """The dictionary in the pickle `path`; its values are for `as_array`.

    Raises InputError where the file is damaged, is no dictionary, or asks for anything but arrays.
    """
    try:
        with open(path, "rb") as file:
            value = _ArraysOnly(file, encoding="latin1").load()
    except InputError as error:
        raise InputError(f"{path} is refused: {error}. Take the file from its official source.") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path} is damaged or no pickle ({type(error).__name__}: {error}); download it again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__}, not the dictionary of a body.")
    return value

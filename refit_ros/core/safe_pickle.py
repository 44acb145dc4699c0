"""Read a pickle of arrays without running anything that it asks for.

SMPL's official files are pickles of Python 2 that hold NumPy arrays, one SciPy sparse matrix and chumpy objects. Only
these are known here, and each is put together from plain values by a function of this file; chumpy, SciPy and NumPy's
own reading of pickles are not used. What nobody asks for stays what it is, however strange: its trouble is told when
it is needed.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_arrays import NumberType, make_array, parse_type
from refit_ros.core.plain_files import open_regular, shown, what_it_is
from refit_ros.core.plain_pickle import Stateful, read_pickle

_NO_NUMBERS = "it is not an array of numbers"
_DEEPEST = 20  # chumpy objects inside chumpy objects, lists inside lists


class ArrayState(Stateful):
    """A numpy.ndarray as the pickle describes it: nothing is made of it before it is asked for."""

    def __init__(self) -> None:
        self._state: Any = None

    def set_state(self, state: Any) -> None:
        self._state = state

    def to_array(self, depth: int = 0) -> np.ndarray:
        if not isinstance(self._state, tuple) or len(self._state) != 5:
            raise ValueError(_NO_NUMBERS)
        _, shape, kind, fortran, raw = self._state
        if not isinstance(kind, TypeState):
            raise ValueError(_NO_NUMBERS)
        return make_array(shape, kind.to_type(), bool(fortran), _bytes(raw))


class TypeState(Stateful):
    """A numpy.dtype: a plain number's, or one that is told as none when its array is asked for."""

    def __init__(self, *arguments: Any) -> None:
        self._text, self._state = arguments[0] if arguments else None, None

    def set_state(self, state: Any) -> None:
        self._state = state

    def to_type(self) -> NumberType:
        kind = parse_type(self._text)
        if self._state is None:
            return kind
        # (version, order, subdtype, names, fields, size, alignment, flags, ...): a number has no parts.
        if not isinstance(self._state, tuple) or len(self._state) < 5 or any(part is not None for part in self._state[2:5]):
            raise ValueError(_NO_NUMBERS)
        return NumberType(kind.kind, kind.size, ">" if self._state[1] == ">" else "<")


class _Scalar:
    """numpy.core.multiarray.scalar: a number as the bytes of its type."""

    def __init__(self, kind: Any = None, raw: Any = None) -> None:
        self._kind, self._raw = kind, raw

    def to_array(self, depth: int = 0) -> np.ndarray:
        if not isinstance(self._kind, TypeState):
            raise ValueError(_NO_NUMBERS)
        return make_array((), self._kind.to_type(), False, _bytes(self._raw))


class _Recorded(Stateful):
    """Stands for an object of another library: keeps its state, has no behaviour."""

    def __init__(self, *_: Any) -> None:
        self.state: dict = {}

    def set_state(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {"state": state}


class ChumpyValue(_Recorded):
    """A chumpy object: `Ch` holds its numbers in x, `Select` picks from another by flat indices."""

    def to_array(self, depth: int = 0) -> np.ndarray:
        if "x" in self.state:
            return as_array(self.state["x"], depth + 1)
        if "a" in self.state and "idxs" in self.state:
            source, picked = as_array(self.state["a"], depth + 1).ravel(), as_array(self.state["idxs"], depth + 1)
            if picked.dtype.kind not in "iu" or (picked.size and not 0 <= picked.min() <= picked.max() < source.size):
                raise ValueError("it is a damaged chumpy selection")
            values, shape = source[picked.ravel()], self.state.get("preferred_shape")
            return values if shape is None else values.reshape(_whole_numbers(shape))
        raise ValueError("it is a chumpy expression, not an array")


class SparseMatrix(_Recorded):
    """scipy.sparse.csc_matrix, or csr_matrix."""

    by_column = True

    def to_array(self, depth: int = 0) -> np.ndarray:
        try:
            shape = _whole_numbers(self.state.get("_shape", self.state.get("shape")))
            values, indices, starts = (as_array(self.state[key], depth + 1) for key in ("data", "indices", "indptr"))
        except KeyError:
            raise ValueError("it is a damaged sparse matrix") from None
        if len(shape) != 2 or min(shape) < 0 or not values.ndim == indices.ndim == starts.ndim == 1:
            raise ValueError("it is a damaged sparse matrix")
        limits.check(prod(shape), "body_numbers", f"it holds {prod(shape)} numbers")
        lines, across = shape[::-1] if self.by_column else shape
        whole = indices.dtype.kind in "iu" and starts.dtype.kind in "iu" and len(starts) == lines + 1
        if (
            not whole
            or starts[0] != 0
            or (np.diff(starts.astype(np.float64)) < 0).any()
            or (not starts[-1] == len(indices) == len(values))
            or (indices.size and not 0 <= indices.min() <= indices.max() < across)
        ):
            raise ValueError("it is a damaged sparse matrix")
        dense, first = np.zeros((lines, across)), starts.astype(np.int64)
        in_line = first[1:] - first[:-1]
        np.add.at(dense, (np.repeat(np.arange(lines), in_line), indices), values)
        return dense.T if self.by_column else dense


class _RowMatrix(SparseMatrix):
    by_column = False


def as_array(value: Any, depth: int = 0) -> np.ndarray:
    """A NumPy array of whatever a body file holds. Raises ValueError where it is none."""
    if depth > _DEEPEST:
        raise ValueError("it lies in too many objects inside one another")
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "to_array"):
        return value.to_array(depth)
    if isinstance(value, (list, tuple)):
        _count(value, limits.limit("body_numbers"))
    elif type(value) not in (int, float, bool):
        raise ValueError(_NO_NUMBERS)
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(_NO_NUMBERS) from error
    if array.dtype.kind not in "biuf":
        raise ValueError(_NO_NUMBERS)
    return array


def load_arrays(path: Path) -> dict:
    """The dictionary in the pickle `path`; its values are for `as_array`.

    Raises InputError where the file is damaged, is no dictionary, or asks for anything but arrays.
    """
    with open_regular(path) as file:
        beginning = file.read(512)
        file.seek(0)
        try:
            value = read_pickle(file, _known)
        except (InputError, pickle.UnpicklingError) as error:
            kind, no_pickle = what_it_is(beginning), isinstance(error, pickle.UnpicklingError)
            if kind and kind != "a Python pickle" and (no_pickle or kind != "text"):  # an old pickle is text too
                raise InputError(f"{shown(path)} is no body file: it is {kind}; download it again.") from error
            if no_pickle:
                raise InputError(f"{shown(path)} is damaged or no pickle; download it again.") from error
            raise InputError(f"{shown(path)} is refused: {error}. Take the file from its official source.") from error
    if not isinstance(value, dict):
        raise InputError(f"{shown(path)} holds a {type(value).__name__}, not the dictionary of a body.")
    return value


def _known(module: str, name: str) -> Callable[..., Any]:
    if module == "chumpy" or module.startswith("chumpy."):
        return ChumpyValue
    try:
        return KNOWN[module, name]
    except KeyError:
        raise InputError(f"it asks for {_cut(module)}.{_cut(name)}, which is no array; reading it could run code") from None


def _cut(text: str) -> str:
    return text[:60].encode("unicode_escape").decode()


def array_placeholder(*_: Any) -> ArrayState:
    """In place of numpy's _reconstruct and ndarray: nothing but a place for the state."""
    return ArrayState()


def latin1_bytes(text: Any = "", encoding: Any = "latin1") -> bytes:
    """In place of _codecs.encode, with which Python 3 writes bytes into old pickles."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise InputError("its pickle asks for an encoding that arrays do not need")
    return text.encode("latin1")


def _new_object(cls: Any = None, *_: Any) -> Any:
    """In place of copyreg._reconstructor: only ever makes a stand-in."""
    if not (isinstance(cls, type) and issubclass(cls, _Recorded)):
        raise InputError("its pickle rebuilds an object that is no array")
    return cls()


def ordered(pairs: Any = ()) -> dict:
    """In place of collections.OrderedDict."""
    if not isinstance(pairs, (list, tuple)) or not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
        raise InputError("its pickle holds a damaged dictionary")
    return {key: value for key, value in pairs if isinstance(key, (str, int))}


def _listed(values: Any = ()) -> list:
    """In place of set and frozenset, which would hash what is put in."""
    return list(values) if isinstance(values, (list, tuple)) else []


def _object(*_: Any) -> None:
    """In place of object, which only ever is an argument."""


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): latin1_bytes,
    ("copy_reg", "_reconstructor"): _new_object,
    ("copyreg", "_reconstructor"): _new_object,
    ("copyreg", "__newobj__"): _new_object,
    ("collections", "OrderedDict"): ordered,
    ("numpy", "ndarray"): array_placeholder,
    ("numpy", "dtype"): TypeState,
}
for _package in ("numpy.core.multiarray", "numpy._core.multiarray"):
    KNOWN[_package, "_reconstruct"] = array_placeholder
    KNOWN[_package, "scalar"] = _Scalar
for _package in ("builtins", "__builtin__"):
    KNOWN[_package, "set"] = KNOWN[_package, "frozenset"] = _listed
    KNOWN[_package, "object"] = _object
for _package in ("scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse"):
    KNOWN[_package, "csc_matrix"] = KNOWN[_package, "csc_array"] = SparseMatrix
for _package in ("scipy.sparse.csr", "scipy.sparse._csr", "scipy.sparse"):
    KNOWN[_package, "csr_matrix"] = KNOWN[_package, "csr_array"] = _RowMatrix


def _bytes(raw: Any) -> bytes:
    """An array's bytes; Python 2 wrote them as text. Raises ValueError for what is neither (a list of objects)."""
    if isinstance(raw, bytes):
        return raw
    if isinstance(raw, str):
        try:
            return raw.encode("latin1")
        except UnicodeEncodeError:
            pass
    raise ValueError(_NO_NUMBERS)


def _whole_numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or not all(type(n) is int and abs(n) < 2**40 for n in value) or len(value) > 8:
        raise ValueError("its shape is damaged")
    return tuple(value)


def _count(values: list | tuple, left: int, depth: int = 0) -> int:
    """What is left of the budget after all numbers in there; a list counts as often as it comes."""
    if depth > 4:
        raise ValueError(_NO_NUMBERS)
    for each in values:
        if isinstance(each, (list, tuple)):
            left = _count(each, left - 1, depth + 1)
        elif type(each) not in (int, float, bool) or (type(each) is int and abs(each) >= 2**63):
            raise ValueError(_NO_NUMBERS)
        left -= 1
        if left < 0:
            raise ValueError("it holds more numbers than a body has")
    return left

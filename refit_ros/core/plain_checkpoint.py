"""PyTorch's checkpoints, read by hand: the zip's directory, a pickle of plain values, and only the entries that are used.

`torch.load` makes arrays as the file describes them, and some descriptions make NumPy follow the file's bytes as
addresses; it also reads everything that is there. Here a tensor is a place in the file until somebody asks for its numbers.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_arrays import open_zip, read_entry
from refit_ros.core.plain_files import what_it_is
from refit_ros.core.plain_pickle import read_pickle
from refit_ros.core.safe_pickle import KNOWN

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the file describes it: checked to lie within its storage, its numbers not yet read."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]  # raises InputError

    def dim(self) -> int:
        return len(self.shape)


@dataclass(frozen=True)
class _StorageType:
    dtype: torch.dtype

    def __call__(self, *_: Any) -> None:
        raise InputError("its pickle makes a storage where none can be")


@contextmanager
def open_checkpoint(path: Path, file: BinaryIO) -> Iterator[Any]:
    """What torch.save was given, tensors as StoredTensor; good while open. Raises InputError, without the path."""
    file.seek(0)
    beginning = file.read(512)
    file.seek(0)
    _refuse_other_files(beginning, file)
    with open_zip(file) as archive:
        root = next((name[: -len("data.pkl")] for name in archive.namelist() if name.endswith("data.pkl")), None)
        if root is None:
            raise InputError(
                "it is a zip archive and no PyTorch checkpoint (no data.pkl in it); "
                "give the .pt, .pth or .safetensors file itself."
            )
        try:
            if "byteorder" in _names_below(archive, root) and read_entry(archive, f"{root}byteorder", 64) != b"little":
                raise InputError("it was saved on a big-endian machine; save it again on an ordinary one.")
            program = read_entry(archive, f"{root}data.pkl", limits.limit("pickle_megabytes") * limits.MEGABYTE, True)
            yield read_pickle(BytesIO(program), _Names(archive, root).known, _Names(archive, root).persistent)
        except pickle.UnpicklingError as error:
            raise InputError(f"it is damaged ({error}); download it again.") from error
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"its list of contents cannot be read ({error}); download it again.") from error


def _refuse_other_files(beginning: bytes, file: BinaryIO) -> None:
    """Raises InputError, saying what the file is, unless it is a zip archive."""
    if beginning[:4] == b"PK\x03\x04":
        return
    kind = what_it_is(beginning)
    if kind == "a Python pickle":
        raise InputError(
            "it is refused: it is a checkpoint of PyTorch before 1.6, or a plain pickle: reading such files could run code; "
            "if where it comes from is trusted, load it with PyTorch and save its weights again with torch.save or "
            "safetensors."
        )
    if "tar archive" in kind:
        raise InputError(
            "it is refused: it is a tar archive, as PyTorch before 0.4 wrote; load it there and save its "
            "weights again with torch.save or safetensors."
        )
    raise InputError(
        f"it is no checkpoint: it is {kind or 'damaged or of an unknown format'}; "
        "give a ReFit checkpoint (.pt, .pth, .pth.tar) or a .safetensors file."
    )


def _names_below(archive: zipfile.ZipFile, root: str) -> set[str]:
    return {name[len(root) :] for name in archive.namelist() if name.startswith(root)}


class _Names:
    """What the names in a checkpoint's pickle stand for."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._archive, self._root = archive, root

    def known(self, module: str, name: str) -> Callable[..., Any]:
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if (module, name) in KNOWN and not module.startswith("scipy"):
            return KNOWN[module, name]
        asked = f"{module}.{name}"[:80].encode("unicode_escape").decode()
        raise InputError(
            "it is refused: besides arrays it asks for other objects, and reading it could run "
            f"code ({asked}); save its weights alone, best as .safetensors."
        )

    def persistent(self, which: Any) -> _Storage:
        if not isinstance(which, tuple) or len(which) != 5 or which[0] != "storage":
            raise InputError("it is damaged (a reference to no storage); download it again.")
        kind, key, numel = getattr(which[1], "call", None), which[2], which[4]
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise InputError("it is damaged (a reference to no storage); download it again.")
        return _Storage(self._archive, f"{self._root}data/{key}", kind.dtype, numel)

    @staticmethod
    def _tensor(storage: Any = None, offset: Any = 0, shape: Any = (), stride: Any = (), *_: Any) -> StoredTensor:
        whole = (
            isinstance(shape, tuple)
            and isinstance(stride, tuple)
            and len(shape) == len(stride) <= 8
            and all(type(n) is int and 0 <= n < 2**48 for n in (offset, *shape, *stride))
        )
        if not isinstance(storage, _Storage) or not whole:
            raise InputError("it is damaged (a tensor of no storage); download it again.")
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if prod(shape) else 0
        if last >= storage.numel and prod(shape) or prod(shape) > storage.numel:
            raise InputError("it is damaged (a tensor larger than what is stored of it); download it again.")
        return StoredTensor(shape, lambda: storage.read().as_strided(shape, stride, offset).clone())


@dataclass(frozen=True)
class _Storage:
    archive: zipfile.ZipFile
    entry: str
    dtype: torch.dtype
    numel: int

    def read(self) -> Tensor:
        """(numel,) of the file. Raises InputError where it holds another number of bytes."""
        expected = self.numel * self.dtype.itemsize
        try:
            content = read_entry(self.archive, self.entry, expected, stored_only=True)
        except KeyError:
            raise InputError(f"it is damaged: {self.entry} is missing; download it again.") from None
        except ValueError as error:
            raise InputError(f"it is damaged: {self.entry}: {error}; download it again.") from error
        if len(content) != expected:
            raise InputError(
                f"it is damaged: {self.entry} has {len(content)} bytes, {expected} were announced; download it again."
            )
        if not expected:
            return torch.zeros(0, dtype=self.dtype)
        if self.dtype == torch.bool:
            return torch.frombuffer(bytearray(content), dtype=torch.uint8) != 0
        return torch.frombuffer(bytearray(content), dtype=self.dtype)


def _parameter(data: Any = None, *_: Any) -> StoredTensor:
    if not isinstance(data, StoredTensor):
        raise InputError("it is damaged (a parameter without numbers); download it again.")
    return data

"""Weights in .safetensors: the header's size looked at first, shapes before numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from refit_ros.core import limits
from refit_ros.core.errors import InputError
from refit_ros.core.plain_checkpoint import StoredTensor
from refit_ros.core.plain_files import open_regular, what_it_is


@contextmanager
def open_safetensors(path: Path) -> Iterator[tuple[dict[str, StoredTensor], dict[str, str]]]:
    """(entries, what else stands in the header), good while open. Raises InputError, without the path."""
    from safetensors import SafetensorError, safe_open

    _check_header(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            entries = {}
            for name in file.keys():  # noqa: SIM118 (no dictionary)
                shape = tuple(file.get_slice(name).get_shape())
                entries[name] = StoredTensor(shape, partial(_read, file, name))
            yield entries, file.metadata() or {}
    except (SafetensorError, OSError, UnicodeError) as error:
        raise InputError("it is damaged or cut off: its header and its size do not agree; download it again.") from error


def _read(file, name: str):
    from safetensors import SafetensorError

    try:
        return file.get_tensor(name)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise InputError(f"its entry '{name[:80]}' cannot be read; download it again.") from error


def _check_header(path: Path) -> None:
    with open_regular(path) as file:
        beginning = file.read(512)
        size = file.seek(0, os.SEEK_END)
    header_bytes = int.from_bytes(beginning[:8], "little")
    if len(beginning) < 10 or beginning[8:9] != b"{" or header_bytes + 8 > size:
        kind = what_it_is(beginning)
        kind = "" if kind == "a safetensors file" else kind
        raise InputError(f"it is no safetensors file: it is {kind or 'damaged or cut off'}; download it again.")
    limits.check(header_bytes, "safetensors_header_kilobytes", f"its header has {header_bytes // 1024} kB", 1024)

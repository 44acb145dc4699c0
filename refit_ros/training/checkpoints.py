"""Files that are either whole or not there: a kill or a full disk leaves the last good one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from refit_ros.core.plain_files import whole_path


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in path's place in one step.

    Raises OSError where the disk is full or not writable, InputError where `path` is no regular file (a device); `path` is
    then what it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_path(path, path.suffix) as temporary:
            write(temporary)
            _flush(temporary)
        _flush(path.parent)
    except RuntimeError as error:  # how torch.save tells of a full disk
        raise OSError(f"{path} could not be written ({error}); the one before it is untouched") from error


def save_state(state: dict, path: Path) -> None:
    """Write everything that a training needs to go on. Raises OSError, see `write_whole`."""
    write_whole(path, lambda temporary: torch.save(state, temporary))


def load_state(path: Path) -> dict:
    """Read what `save_state` wrote. Raises ValueError, with the file's name, where it is not such a file."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ValueError(
            f"{path} is not a training state of refit_ros ({type(error).__name__}): remove it to begin anew, "
            "or name another --output"
        ) from error


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Where the models lie, and whether what lies there is what the table says."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from refit_ros.models.table import Model, files_of, model

VARIABLE = "REFIT_MODELS"  # names the folder
CHUNK_BYTES = 1 << 20


class ModelMissing(FileNotFoundError):
    """A model is not there; the message holds the command that gets it."""


class ModelDamaged(ValueError):
    """A file is not the one of the table; the message holds the command that gets it anew."""


def folder() -> Path:
    """$REFIT_MODELS, else refit_ros/ in the user's cache folder. Need not exist."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # XDG's specification: a path that is not absolute is to be ignored.
    return (Path(cache) if os.path.isabs(cache) else Path(os.path.expanduser("~")) / ".cache") / "refit_ros"


def command(*which: Model) -> str:
    """What brings them."""
    return " ".join(["python -m refit_ros models get", *dict.fromkeys(each.stem for each in which)])


def fault(which: Model, where: Path | None = None) -> str | None:
    """What is wrong with this model's file, in a sentence; None where nothing is. The whole file is read."""
    path = (where or folder()) / which.name
    try:
        size = path.stat().st_size
        if size != which.size_bytes:
            return f"{path} has {size} bytes instead of {which.size_bytes}: `{command(which)}` gets it anew"
        if digest(path) != which.sha256:
            return (
                f"{path} is not the file of {which.package} {which.version} (its sha256 differs): "
                f"`{command(which)}` gets it anew"
            )
    except FileNotFoundError:
        return (
            f"the model {which.name} is not in {path.parent}: `{command(which)}` gets it ({which.size_bytes / 1e6:.1f} MB)"
        )
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): mend that, or `{command(which)}` gets it anew"
    return None


def is_there(name: str) -> bool:
    """Whether the model of this name lies there, each of its files; nothing is said about what is in them."""
    return not missing(name)


def missing(*names: str) -> list[Model]:
    """The files of these models that do not lie there."""
    return [each for name in names for each in files_of(name) if not (folder() / each.name).is_file()]


def path_of(name: str) -> Path:
    """The model's file, its digest checked. Raises ModelMissing or ModelDamaged with the command that gets it."""
    which = model(name)
    wrong = fault(which)
    if wrong is not None:
        raise (ModelDamaged if (folder() / which.name).is_file() else ModelMissing)(wrong)
    return folder() / which.name


def digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            total.update(chunk)
    return total.hexdigest()

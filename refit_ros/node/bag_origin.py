"""What a bag of people was made from, as a digest in its metadata: so a finished one is known by content, not by name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

from refit_ros import __version__
from refit_ros.core.plain_files import check_regular, is_regular, open_regular
from refit_ros.models.files import is_there
from refit_ros.models.table import TABLE
from refit_ros.node.bag_files import STORAGE, find_bag

KEY = "refit_ros_made_from"  # in the custom data of a bag's metadata
LOST_KEY = "refit_ros_lost"  # beside it, where messages of the recording were missing: "7 of 30"
DOUBT_KEY = "refit_ros_doubt"  # likewise, where cameras cannot stand or see as they say: a sentence as one word
_EMBEDDED = Path(__file__).resolve().parents[1] / "data"
_CHUNK_BYTES = 2**22
_LARGEST_METADATA_BYTES = 16 * 2**20


def made_from(bag: Path, options: Mapping[str, object], files: Iterable[str | Path | None]) -> str:
    """The digest of a recording, of the options, and of the files that they name: weights, bodies, a detector.

    What lies in the package itself counts too, and which third-party models are there, whose digests the package knows;
    where anything lies does not. Raises as `find_bag` does.
    """
    found = find_bag(bag)
    models = sorted({model.stem for model in TABLE if is_there(model.stem)})
    total = hashlib.sha256(f"{__version__} {models} {json.dumps(dict(options), sort_keys=True, default=str)}".encode())
    for path in [found, _EMBEDDED, *files]:
        for file in _files_of(path):
            _add(total, file)
        total.update(b"end of " + str(path is None).encode())
    return total.hexdigest()


def made_from_of(output: Path) -> str | None:
    """The digest in a bag's metadata; "" where there is a bag without one, None where there is none."""
    return _said_by(output, KEY, rb"[0-9a-f]{64}")


def lost_of(output: Path) -> str | None:
    """How many messages were missing when a bag was made, as "7 of 30"; "" where none were, None where there is no bag."""
    return _said_by(output, LOST_KEY, rb"[0-9]+ of [0-9]+")


def doubt_of(output: Path) -> str | None:
    """What was doubted of the cameras when a bag was made; "" where nothing was, None where there is no bag."""
    said = _said_by(output, DOUBT_KEY, rb"[0-9A-Za-z_.~+%-]+")
    return said if said is None else unquote_plus(said)


def as_a_word(sentence: str) -> str:
    """As it stands in a bag's metadata, where YAML would break a long one into lines."""
    return quote_plus(sentence)


def _said_by(output: Path, key: str, value: bytes) -> str | None:
    metadata = output / "metadata.yaml"
    if not is_regular(metadata) or check_regular(metadata) > _LARGEST_METADATA_BYTES:
        return None
    with open_regular(metadata) as file:
        said = re.search(key.encode() + rb":\s*(" + value + rb")\s", file.read())
    return said[1].decode() if said else ""


def _files_of(path: str | Path | None) -> list[Path]:
    """A file, or those of a folder; of a bag's folder what holds messages. Nothing for what is a word and no file."""
    if path is None or not Path(path).exists():
        return []
    path = Path(path).expanduser()
    if not path.is_dir():
        return [path]
    inside = sorted(file for file in path.iterdir() if is_regular(file))
    return [file for file in inside if file.suffix.lower() in STORAGE] or inside


def _add(total, file: Path) -> None:
    total.update(f"{file.suffix.lower()} {check_regular(file)} ".encode())
    with open_regular(file) as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            total.update(chunk)

"""Every file of the corpus, and some too large to keep, read in one child process: one sentence each, no memory, no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MOST_MB = 400
MOST_S = 60  # of a processor; what hung did so for good


def large_files(folder: Path) -> list[str]:
    """Files that lie about nothing and are large: built here, not kept."""
    with open(folder / "sparse.pkl", "wb") as file:
        file.write(b"\x80\x02}q\x01.")
        file.truncate(2 * 2**30)
    with open(folder / "holes.pth", "wb") as file:
        file.truncate(5 * 2**30)
    with (
        zipfile.ZipFile(folder / "unused.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("unused.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(512):
            entry.write(bytes(2**20))
    with zipfile.ZipFile(folder / "directory.npz", "w") as archive:
        for index in range(30_000):
            archive.writestr(f"{index:0200d}.npy", b"")
    os.mkfifo(folder / "pipe.pkl")
    os.mkfifo(folder / "pipe.pt")
    bodies = [f"bodies:{folder / name}" for name in ("sparse.pkl", "unused.npz", "directory.npz", "pipe.pkl")]
    weights = [f"weights:{folder / name}" for name in ("holes.pth", "pipe.pt")]
    return [*bodies, *weights, "bodies:/dev/zero", "weights:/dev/zero", "weights:/"]


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    files = [f"{folder}:{path}" for folder in ("bodies", "weights") for path in sorted((CORPUS / folder).iterdir())]
    files += large_files(tmp_path_factory.mktemp("large"))
    done = subprocess.run([sys.executable, HERE / "try_files.py", *files], capture_output=True, text=True, timeout=1000)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(lines) == len(files), (
        f"ended with {done.returncode} at {files[len(lines)]}: {done.stderr[-1000:]}"
    )
    return lines


def test_every_file_is_refused_in_one_sentence_that_names_it(tried):
    wrong = [
        line
        for line in tried
        if line["outcome"] != "refused"
        or line["file"] not in line["sentence"]
        or "\n" in line["sentence"]
        or len(line["sentence"]) > 700
    ]
    assert not wrong


def test_no_file_takes_memory_or_time(tried):
    assert not [line for line in tried if line["grown_mb"] > MOST_MB or line["seconds"] > MOST_S]


def test_no_foreign_advice_is_passed_on(tried):
    foreign = ("weights_only", "allow_pickle", "Traceback", "unpickl", "numpy.", "Please file", "struct.error")
    assert not [line for line in tried if any(word in line["sentence"] for word in foreign)]
    words = {Path(line["file"]).name: line["sentence"] for line in tried}
    assert "a web page" in words["web_page.pt"] and "a web page" in words["web_page.pkl"]
    assert "git lfs pull" in words["git_lfs.npz"] and "PDF" in words["document.npz"]
    assert "named pipe" in words["pipe.pkl"] and "named pipe" in words["pipe.pt"] and "device" in words["zero"]
    assert "REFIT_LIMIT_BODY_FILE_MEGABYTES" in words["sparse.pkl"]

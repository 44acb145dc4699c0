"""SECURITY.md names the versions that the requirements ask for, and the pinned ones are not older."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| ", re.MULTILINE)


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def rows() -> list[tuple[str, str]]:
    document = ROOT / "SECURITY.md"
    return ROW.findall(document.read_text()) if document.is_file() else []


def test_there_are_rows():
    if not (ROOT / "SECURITY.md").is_file():
        pytest.skip("the documents are not beside the tests")
    assert len(rows()) >= 5


@pytest.mark.parametrize("package, least", rows())
def test_the_least_version_is_asked_for_and_the_pinned_one_is_not_older(package, least):
    lines = [line for file in (ROOT / "requirements").glob("*.txt") for line in file.read_text().splitlines()]
    asked = [re.fullmatch(rf"{package}>=([0-9.]+).*", line) for line in lines]
    assert [found[1] for found in asked if found] == [least]
    pinned = re.search(rf"^{package}==([0-9.]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert version(pinned) >= version(least)

"""One formatter, one linter and one type checker: what CI reads is what every editor writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_has_nothing_to_say(arguments):
    pytest.importorskip("ruff", reason="ruff is not installed")
    ran = _run("ruff", *arguments, "--no-cache", ".")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.timeout(1200)  # 16 s of one processor the first time; the machine may be busy
def test_types_are_sound():
    """In the folders that [tool.mypy] of pyproject.toml lists."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    ran = _run("mypy")
    assert ran.returncode == 0, ran.stdout + ran.stderr

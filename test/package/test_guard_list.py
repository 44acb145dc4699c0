"""The list of guards names what is there; `make guards` takes each away and sees its test fail."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARDS = tomllib.loads((ROOT / "scripts" / "guards.toml").read_text())["guard"]


@pytest.mark.parametrize("guard", GUARDS, ids=[guard["name"] for guard in GUARDS])
def test_a_guard_and_its_test_are_where_the_list_says(guard):
    assert guard["text"] in (ROOT / guard["file"]).read_text()
    file, _, name = guard["test"].partition("::")
    assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()

"""Who may import whom: the table in docs/architecture.md, read and held against every import, those inside functions too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "refit_ros"
TABLE = ROOT / "docs" / "architecture.md"
GENERATED = {"msg", "srv"}  # made by the build from msg/ and srv/

pytestmark = pytest.mark.skipif(not TABLE.exists(), reason="the documents are not beside the tests")


def table() -> dict[str, set[str]]:
    """{folder: what it may import}, from the top row down."""
    rows: dict[str, set[str]] = {}
    for line in TABLE.read_text().splitlines():
        match = re.match(r"\| `refit_ros/(\w+)` \|[^|]*\|([^|]*)\|", line)
        if match:
            allowed = set(re.findall(r"\w+", match[2].replace("all of the above", " ".join(rows))))
            rows[match[1]] = allowed
    return rows


def folder_of(path: Path) -> str:
    """The folder of the package that a file lies in; "" for a file beside the folders."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imports_of(source: str) -> set[str]:
    """Which folders of the package a source imports, wherever that stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module == "refit_ros":
            found |= {f"refit_ros.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError("imports of this package name it: from refit_ros.folder.module import ...")
    return {name.split(".")[1] for name in found if name.startswith("refit_ros.")}


def faults(path: Path, source: str, rows: dict[str, set[str]]) -> list[str]:
    own = folder_of(path)
    # Files beside the folders (the version, the end on a signal) are anybody's.
    foreign = {name for name in imports_of(source) - {own} if name in rows or name in GENERATED}
    return [
        f"{path.relative_to(ROOT)} imports {name}; {own} may import {', '.join(sorted(rows[own])) or 'nothing'}"
        for name in sorted(foreign - rows[own])
    ]


def test_every_folder_has_a_row():
    folders = {folder_of(path) for path in PACKAGE.rglob("*.py")} - {""} - GENERATED
    assert folders == set(table())


def test_arrows_go_down_only():
    """A folder imports those of the rows above it: so there is no circle either."""
    above: set[str] = set()
    for folder, allowed in table().items():
        assert not (allowed & set(table())) - above, f"{folder} may import what stands below it"
        above.add(folder)


@pytest.mark.parametrize("folder", list(table()) if TABLE.exists() else [])
def test_imports_are_those_of_the_table(folder):
    rows = table()
    wrong = [fault for path in sorted((PACKAGE / folder).rglob("*.py")) for fault in faults(path, path.read_text(), rows)]
    assert not wrong, "\n".join(wrong)


def test_a_forbidden_import_is_found_wherever_it_stands():
    path, rows = PACKAGE / "camera" / "lens.py", {"camera": {"core"}, "core": set(), "node": {"core"}}
    assert not faults(path, "from refit_ros.core.types import Crops\nfrom refit_ros import interrupt", rows)
    inside = "def f():\n    from refit_ros.node.sets import Sets"
    for source in ("import refit_ros.node.sets", "from refit_ros import node", inside):
        assert len(faults(path, source, rows)) == 1
    with pytest.raises(AssertionError, match="name it"):
        imports_of("from . import sets")

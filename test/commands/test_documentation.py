"""What the documents point to is there, and what they tell to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refit_ros.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "refit_ros/**/*.md") for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"python3? -m refit_ros ([a-z_]+)")

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the documents are not beside the tests")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document):
    links = [link for link in LINK.findall(without_code(document.read_text())) if not re.match(r"[a-z]+:", link)]
    dead = [link for link in links if not leads_somewhere(document, link)]
    assert not dead


def leads_somewhere(document: Path, link: str) -> bool:
    """Whether the file is there and, with #part, has a heading of that name."""
    name, _, part = link.partition("#")
    target = (document.parent / name) if name else document
    return target.exists() and (not part or part in headings(target))


def headings(document: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    lines = re.findall(r"^#+ (.*)$", without_code(document.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(document):
    assert set(COMMAND.findall(document.read_text())) <= set(COMMANDS)


def test_the_site_s_pages_exist_and_what_they_link_to_comes_along(tmp_path, monkeypatch):
    """What `make docs` gives to MkDocs; it needs no MkDocs."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from make_docs import copy_documents

    pages = re.findall(r"^ +- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    documents = [str(path) for path in copy_documents(tmp_path)]
    assert len(pages) > 15 and set(pages) <= set(documents) and len(pages) == len(set(pages))
    for document in documents:
        text = without_code((tmp_path / document).read_text())
        links = [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]
        there = [(ROOT / document).parent / link.partition("#")[0] for link in links]
        files = [path.resolve().relative_to(ROOT) for path in there if path.is_file()]
        assert all((tmp_path / path).is_file() for path in files), document


def test_the_first_screen_of_the_readme_holds_both_commands_and_an_image():
    screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:30])
    assert "make demo" in screen and "make test" in screen and re.search(r"!\[[^\]]*\]\(docs/images/", screen)

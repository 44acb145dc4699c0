"""Makes what is to be read: make_docs.py [FOLDER].

The API reference of all that works without ROS, from its docstrings, by pdoc: FOLDER/api/refit_ros.html. The documents as a
site, by MkDocs (mkdocs.yml): FOLDER/site/index.html. FOLDER is docs without it. A warning of either ends it: a name or an
annotation that cannot be resolved, a link that leads nowhere.
"""

from __future__ import annotations

import pkgutil
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WITHOUT = {"benchmarking", "commands", "node", "viewer"}  # programs: they are used by their commands
DOCUMENTS = ("*.md", "docs/*.md", "benchmarks/*.md", "refit_ros/data/*.md")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]+)")


def make_reference(output: Path) -> None:
    import pdoc

    import refit_ros

    refit_ros.__path__ = [str(ROOT / "refit_ros")]  # not what a colcon install holds beside it
    folders = {each.name for each in pkgutil.iter_modules(refit_ros.__path__) if each.ispkg} - WITHOUT
    for name in refit_ros.__all__:  # they are imported when they are first used, and pdoc asks for no attribute
        setattr(refit_ros, name, getattr(refit_ros, name))
    pdoc.render.configure(docformat="markdown", footer_text=f"refit_ros {refit_ros.__version__}")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        # Named one by one: of a package with __all__, pdoc documents no other modules.
        pdoc.pdoc("refit_ros", *(f"refit_ros.{name}" for name in sorted(folders)), output_directory=output)


def copy_documents(target: Path) -> list[Path]:
    """The documents and the files that they link to, as they lie in this project: no link leads out of it.

    Gives the documents, relative to `target`. Links to folders stay as they are: a site cannot list them.
    """
    documents = sorted(path for pattern in DOCUMENTS for path in ROOT.glob(pattern))
    wanted = set(documents)
    for document in documents:
        for link in LINK.findall(document.read_text()):
            path = (document.parent / link).resolve()
            if not re.match(r"[a-z]+:", link) and path.is_file() and path.is_relative_to(ROOT):
                wanted.add(path)
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(wanted):
        own = target / path.relative_to(ROOT)
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, own)
    return [path.relative_to(ROOT) for path in documents]


def make_site(output: Path) -> None:
    """Raises CalledProcessError where MkDocs has something to complain of."""
    copy_documents(ROOT / "build" / "documents")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(output.resolve())],
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    make_reference(folder / "api")
    make_site(folder / "site")
    print(folder / "api" / "refit_ros.html", folder / "site" / "index.html", sep="\n")

"""Makes the API reference of all that works without ROS from its docstrings, by pdoc: make_docs.py [FOLDER].

Begins at FOLDER/refit_ros.html, by default in docs/api. A warning of pdoc (a name or an annotation that it cannot
resolve) ends it with an exception.
"""

from __future__ import annotations

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import refit_ros

ROOT = Path(__file__).resolve().parent.parent
WITHOUT = {"benchmarking", "commands", "node", "viewer"}  # programs: they are used by their commands


def make(output: Path) -> None:
    refit_ros.__path__ = [str(ROOT / "refit_ros")]  # not what a colcon install holds beside it
    folders = {each.name for each in pkgutil.iter_modules(refit_ros.__path__) if each.ispkg} - WITHOUT
    for name in refit_ros.__all__:  # they are imported when they are first used, and pdoc asks for no attribute
        setattr(refit_ros, name, getattr(refit_ros, name))
    pdoc.render.configure(docformat="markdown", footer_text=f"refit_ros {refit_ros.__version__}")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        # Named one by one: of a package with __all__, pdoc documents no other modules.
        pdoc.pdoc("refit_ros", *(f"refit_ros.{name}" for name in sorted(folders)), output_directory=output)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "api"
    make(folder)
    print(folder / "refit_ros.html")

"""The notebook runs from top to bottom as it lies there, and finds whom it draws."""

from __future__ import annotations

import contextlib
import io
import json
import types
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not beside the tests")


def run(notebook: Path) -> tuple[types.ModuleType, list[str]]:
    """Its code cells, one after the other in one module as a kernel would -> the module, what each cell printed."""
    module, printed = types.ModuleType("notebook"), []
    for index, cell in enumerate(json.loads(notebook.read_text())["cells"]):
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile("".join(cell["source"]), f"{notebook.name}, cell {index}", "exec"), module.__dict__)
            printed.append(said.getvalue())
    return module, printed


def test_the_notebook_finds_whom_it_draws():
    pytest.importorskip("PIL", reason="pillow is not installed")
    module, printed = run(EXAMPLES / "people.ipynb")
    assert [line.partition(",")[0] for line in printed[1].splitlines()] == ["person 1"]
    assert printed[4].splitlines()[0].endswith("ids []") and printed[4].splitlines()[-1].endswith("ids [1]")
    assert module.people.cameras == ("left", "right") and module.error_m < 0.3
    for name, image in module.images.items():
        assert module.drawn[name].shape == image.shape and not np.array_equal(module.drawn[name], image)


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_kept_without_what_a_run_leaves(notebook):
    content = json.loads(notebook.read_text())
    assert content["nbformat"] == 4 and len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for cell in content["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)

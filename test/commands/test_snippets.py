"""Every snippet of the documents does what it says: Python runs, command lines are read by the commands' own parsers."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import shlex
import types
from pathlib import Path

import numpy as np
import pytest

from refit_ros.__main__ import OneLineParser, split_ros_arguments
from refit_ros.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("refit_ros/data/*.md")]
)
PLACEHOLDERS = {
    "SCENE": "walking",
    "N": "2",
    "DIR": "folder",
    "FOLDER": "folder",
    "FILE": "file",
    "COMMAND": "doctor",
    "NAME": "name",
    "IN": "in",
    "OUT": "out",
    "PATH": "path",
}
# In one line of code, or in a block of it; a backslash continues a line.
LINE = re.compile(r"(?:^|[ `=])(python3? -m refit_ros(?:\.[\w.]+)?(?: [^`\n#|]*)?)", re.MULTILINE)
# Stands before a snippet that needs what a test cannot have, and says what that is: of such a snippet the imports are run.
NOT_RUN = r"<!-- not run: [^\n]+ -->\n"

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the documents are not beside the tests")


def blocks(language: str) -> list:
    found = []
    for document in DOCUMENTS:
        text = document.read_text()
        for match in re.finditer(rf"({NOT_RUN})?^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text[: match.start(2)].count("\n") + 1
            found.append(pytest.param(match[2], not match[1], id=f"{document.relative_to(ROOT)}:{line}"))
    return found


def command_lines() -> list:
    found = {}
    for document in DOCUMENTS:
        for match in LINE.finditer(re.sub(r"\\\n\s*", " ", document.read_text())):
            line = match[1].strip()
            if "..." not in line:
                found.setdefault(line, pytest.param(line, id=f"{document.name}: {line}"))
    return list(found.values())


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the snippets open: a photo with somebody in it, two frames of video, what `fit` leaves."""
    import cv2

    from refit_ros.synthetic.scenes import named_scene

    folder = tmp_path_factory.mktemp("snippets")
    image = named_scene("standing", cameras=1, seed=1, width_px=320, height_px=240).render(0.0, 0)[..., ::-1]
    cv2.imwrite(str(folder / "photo.jpg"), image)
    video = cv2.VideoWriter(str(folder / "walk.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (320, 240))
    for _ in range(2):
        video.write(image)
    video.release()
    (folder / "fit_output").mkdir()
    np.savez(
        folder / "fit_output" / "photo.npz",
        joints=np.ones((2, 24, 3)),
        focal=np.float32(400),
        principal_point=np.array([160, 120], np.float32),
    )
    return folder


@pytest.mark.parametrize("code, whole", blocks("python"))
def test_python_runs(code, whole, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    if not whole:
        tree = ast.parse(code)
        code = ast.unparse([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))])
    module = types.ModuleType("snippet")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "snippet", "exec"), module.__dict__)


def test_the_readme_program_finds_the_person_in_three_lines(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) == 3
    module = types.ModuleType("snippet")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "snippet", "exec"), module.__dict__)
    assert len(module.people) == 1 and said.getvalue().startswith("[array(")


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_read(line):
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line.split("; ")[0])]
    name, _, module = words[2].partition(".")
    if module:
        source = (ROOT / "refit_ros" / Path(*module.split("."))).with_suffix(".py").read_text()
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))
        return
    if len(words) == 3 or words[3] in ("--help", "--version"):
        return
    assert words[3] in COMMANDS
    arguments, ros_arguments = split_ros_arguments(words[4:])
    assert not ros_arguments or COMMANDS[words[3]].uses_ros
    parser = OneLineParser(prog=words[3])
    importlib.import_module(f"refit_ros.commands.{words[3]}").add_arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    required = [action for action in parser._actions if action.required]
    options = [word for word in arguments if word.startswith("--")]
    if "--help" in options or (required and not arguments):  # named in a sentence
        assert set(options) <= known
        return
    parser.parse_args(arguments)  # ends the test where it cannot be read


@pytest.mark.parametrize("code, _", blocks("bash"))
def test_shell_lines_name_what_is_there(code, _):
    from refit_ros.node.parameters import table

    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in re.sub(r"\\\n\s*", " ", code).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= set(targets), line
        if words[:3] == ["ros2", "launch", "refit_ros"]:
            source = (ROOT / "launch" / words[3]).read_text()
            known = {entry.name for entry in table()}
            for argument in words[4:]:
                name = argument.partition(":=")[0]
                assert name in known or f'"{name}"' in source, line


def test_the_snippets_are_found():
    assert len(blocks("python")) >= 12 and len(blocks("bash")) >= 8 and len(command_lines()) >= 20

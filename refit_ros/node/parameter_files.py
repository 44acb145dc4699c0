"""Files of parameters, looked at before ROS reads them: what is no such file, and what is there for other nodes only."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import read_text, shown

_PARAMETERS, _OPTION = "ros__parameters", "--params-file"
_FORM = "write '/**:', below it 'ros__parameters:', below that 'name: value'"
_DEEPEST = 20  # names within names
_MOST_NAMED = 4


@dataclass
class ParameterFile:
    """nodes: the names (or patterns) of the nodes that it holds parameters for."""

    path: str
    nodes: list[str] = field(default_factory=list)

    def not_for(self, node: str) -> str:
        """A sentence where nothing in the file is for the node of this full name; "" where something is."""
        if any(fnmatch.fnmatchcase(node, name.replace("**", "*")) for name in self.nodes):
            return ""
        if not self.nodes:
            return f"{shown(self.path)} holds no parameters: {_FORM}"
        near = difflib.get_close_matches(node, self.nodes, 1)
        meant = f"; did you mean '{node}'?" if near else ";"
        named = ", ".join(f"'{shown(name[:60])}'" for name in self.nodes[:_MOST_NAMED])
        return f"nothing in {shown(self.path)} is for this node, '{node}': it is for {named}{meant} '/**' is any node"


def files_in(ros_arguments: list[str]) -> list[ParameterFile]:
    """The files that are given as `--params-file`. Raises InputError, naming file and line, on what is no such file."""
    return [
        _read(value) for option, value in zip(ros_arguments, ros_arguments[1:]) if option == _OPTION and value != _OPTION
    ]


def _read(path: str) -> ParameterFile:
    import yaml

    text = read_text(Path(path), "parameters_file_kilobytes", 1024)
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "brackets without end"
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{shown(path)}{where}: this is no YAML ({shown(str(why)[:80])}): {_FORM}") from None
    found = ParameterFile(path)
    if root is not None and root.tag != "tag:yaml.org,2002:null":
        for name, parameters in _sections(path, root, ""):
            found.nodes.append(name)
            _check_values(path, parameters)
    return found


def _sections(path: str, part: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(a node's name, its parameters) of all nodes of a file."""
    for key, value in _entries(path, part, f"names of nodes: {_FORM}"):
        if key.value == _PARAMETERS:
            yield name or "/", value
        elif value.id != "mapping" or depth >= _DEEPEST:
            meant = difflib.get_close_matches(str(key.value), [_PARAMETERS], 1, 0.8)
            raise InputError(
                f"{shown(path)}, line {key.start_mark.line + 1}: '{shown(str(key.value)[:60])}' stands outside of "
                f"'{_PARAMETERS}'{' (with two underscores)' if meant else ''}: {_FORM}"
            )
        else:
            yield from _sections(path, value, f"{name}/{str(key.value).strip('/')}", depth + 1)


def _entries(path: str, part: Any, expected: str) -> list[tuple[Any, Any]]:
    if part.id != "mapping" or any(key.id != "scalar" for key, _ in part.value):
        raise InputError(f"{shown(path)}, line {part.start_mark.line + 1}: this should be {expected}")
    return part.value


def _check_values(path: str, parameters: Any, depth: int = 0) -> None:
    for key, value in _entries(path, parameters, "lines of 'name: value'"):
        where = f"{shown(path)}, line {key.start_mark.line + 1}: '{shown(str(key.value)[:60])}'"
        if value.id == "scalar" and not value.value and value.style is None:
            raise InputError(f"{where} has no value: give it one, or leave the line out")
        if value.id == "sequence" and len({_kind(each) for each in value.value}) > 1:
            raise InputError(f"{where} is a list of several kinds: texts, numbers or true and false, but not together")
        if value.id == "mapping" and depth < _DEEPEST:
            _check_values(path, value, depth + 1)


def _kind(value: Any) -> str:
    return "text" if value.tag == "tag:yaml.org,2002:str" else value.tag

"""What documents say of the parameters, from the one place where they stand: python -m refit_ros.node.parameter_docs"""

from __future__ import annotations

import textwrap
from dataclasses import Field
from pathlib import Path

from refit_ros.node.parameters import default_of, table

ROOT = Path(__file__).resolve().parents[2]
YAML_FILE, DOCUMENT = ROOT / "config" / "refit.yaml", ROOT / "docs" / "node.md"
BEGIN, END = "<!-- parameters: written by refit_ros.node.parameter_docs -->", "<!-- end of parameters -->"
WIDTH = 110


def _written(value) -> str:
    """As YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else repr(value)


def _range(entry: Field) -> str:
    low, high, choices = (entry.metadata[key] for key in ("minimum", "maximum", "choices"))
    if choices:
        return ", ".join(choices)
    return (
        ""
        if low is None and high is None
        else f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"
    )


def yaml_text() -> str:
    """config/refit.yaml: every parameter in a comment with its default, so that no default is stated a second time."""
    lines = [
        "# Parameters of the node `refit`, at their defaults. Nothing is set here: to change one, take away the braces and",
        "# the `#` before it, in this file or in a copy given as params_file:=... (written by parameter_docs.py).",
        "/**:",
        "  ros__parameters: {}",
    ]
    for entry in table():
        extent = _range(entry)
        described = entry.metadata["description"] + (f" ({extent})" if extent else "")
        lines += [
            "",
            *(f"    # {line}" for line in textwrap.wrap(described, WIDTH)),
            f"    # {entry.name}: {_written(default_of(entry))}",
        ]
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    rows = ["| parameter | default | range | |", "|---|---|---|---|"]
    for entry in table():
        rows.append(
            f"| `{entry.name}` | `{_written(default_of(entry))}` | {_range(entry)} | {entry.metadata['description']} |"
        )
    return "\n".join(rows)


def with_table(document: str) -> str:
    """The document with the table of now between its two marks. Raises ValueError where they are missing."""
    before, _, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document has no '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n{markdown_table()}\n{END}{after}"


def main() -> None:
    YAML_FILE.write_text(yaml_text())
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))


if __name__ == "__main__":
    main()

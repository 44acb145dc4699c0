"""Which Python packages to install beside a sourced ROS 2, so that nothing it has is replaced."""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

# Distributions whose module Debian packages without the distribution's own metadata.
MODULES = {"opencv-python-headless": "cv2"}

_ASK = """
import importlib.metadata, importlib.util, json, sys
names, modules = json.load(sys.stdin)
have = {}
for name in names:
    try:
        have[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        if name in modules and importlib.util.find_spec(modules[name]):
            have[name] = ""
print(json.dumps(have))
"""


def packages_to_install(python: Path, root: Path, requirements: tuple[str, ...], constraints: Path) -> list[str]:
    """pip's arguments. Writes `constraints`: what the machine has stays at its version, the rest is pinned as everywhere."""
    pinned = dict(line.split("==") for line in lines_of(root / "constraints.txt"))
    asked = {}
    for file in requirements:
        for line in lines_of(root / "requirements" / f"{file}.txt"):
            asked[re.split(r"[<>=!~\[ ]", line, maxsplit=1)[0]] = line
    names = sorted({*pinned, *asked})
    answer = subprocess.run([str(python), "-c", _ASK], input=json.dumps([names, MODULES]), capture_output=True, text=True,
                            check=True)
    have = json.loads(answer.stdout)
    kept = {name: version for name, version in {**pinned, **have}.items() if version}
    constraints.parent.mkdir(parents=True, exist_ok=True)
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(kept.items())))
    return ["-c", str(constraints), *(line for name, line in asked.items() if name not in have), "pip"]


def lines_of(path: Path) -> list[str]:
    return [line for line in (line.split("#")[0].strip() for line in path.read_text().splitlines()) if line]

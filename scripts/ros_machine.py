"""Which Python packages to install beside a sourced ROS 2, so that nothing it has is replaced."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

# Distributions whose module Debian packages without the distribution's own metadata.
MODULES = {"opencv-python-headless": "cv2"}

# What the compiled half of ROS 2 (cv_bridge, the messages) was built against. Anything else that is older than
# something here needs, as Ubuntu's setuptools is for torch, comes anew into .venv, and the machine's own stays as it is.
BUILT_AGAINST = ("numpy",)

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
    """pip's arguments. Writes `constraints`: what is asked for and lacking is pinned as everywhere.

    What the machine has is not pinned, so that pip takes it wherever it is new enough; what those need in turn is
    left to pip as well, since the pinned version may want another NumPy than the machine's.
    """
    pinned = dict(line.split("==") for line in lines_of(root / "constraints.txt"))
    asked = {}
    for file in requirements:
        for line in lines_of(root / "requirements" / f"{file}.txt"):
            asked[re.split(r"[<>=!~\[ ]", line, maxsplit=1)[0]] = line
    names = sorted({*pinned, *asked})
    answer = subprocess.run(
        [str(python), "-c", _ASK], input=json.dumps([names, MODULES]), capture_output=True, text=True, check=True
    )
    have = json.loads(answer.stdout)
    kept = {name: pinned[name] for name in asked if name in pinned and name not in have}
    kept |= {name: have[name] for name in BUILT_AGAINST if have.get(name)}
    constraints.parent.mkdir(parents=True, exist_ok=True)
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(kept.items())))
    missing_or_old = [line for name, line in asked.items() if name not in have or (have[name] and name not in BUILT_AGAINST)]
    return ["-c", str(constraints), *missing_or_old, "pip"]


def lines_of(path: Path) -> list[str]:
    return [line for line in (line.split("#")[0].strip() for line in path.read_text().splitlines()) if line]

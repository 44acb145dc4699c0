"""Point the CMake files of the ROS wheels at the Python they are installed into.

The wheels export the include folders of the Python of the machine that built them
(/opt/python/cp311-cp311/...), where message packages then look for Python.h and NumPy's headers.
Run by the interpreter of the environment that holds the wheels; doing it twice changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy

BUILDERS_PYTHON = r"/opt/python/cp3\d+-cp3\d+"
PYTHON_HEADERS = re.compile(BUILDERS_PYTHON + r"/include/python3\.\d+")
NUMPY_HEADERS = re.compile(BUILDERS_PYTHON + r"/lib/python3\.\d+/site-packages/numpy/_?core/include")


def patched(text: str) -> str:
    text = PYTHON_HEADERS.sub(lambda _: sysconfig.get_path("include"), text)
    return NUMPY_HEADERS.sub(lambda _: numpy.get_include(), text)


def main() -> int:
    changed = 0
    for path in Path(sys.prefix, "share").rglob("*.cmake"):
        before = path.read_text()
        after = patched(before)
        if after != before:
            path.write_text(after)
            changed += 1
    print(f"{changed} CMake files now name the headers of {sys.executable}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

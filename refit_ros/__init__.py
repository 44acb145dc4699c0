"""Live 3D human bodies (SMPL) from one or many cameras, for ROS 2.

    import refit_ros
    model = refit_ros.load()
    people = model("photo.jpg")

Public are `load`, `Model`, `Camera` and `People` (`refit_ros/library/`). They are imported when they are first used:
`import refit_ros` costs nothing.
"""

import os
import signal
import sys

if sys.argv[:1] == ["-m"] and "refit_ros" in sys.orig_argv:  # `python -m refit_ros` looks for its __main__
    # Until that listens nothing is open yet: a signal ends the program at once, without a word.
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda *_: os._exit(0))

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refit_ros.library.cameras import Camera
    from refit_ros.library.model import Model, load
    from refit_ros.library.people import People

# A pip-installed copy of this package would hide the generated refit_ros.msg and
# refit_ros.srv of a colcon install (and the other way round): let both be one package.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
__all__ = ["Camera", "Model", "People", "load"]

_MODULES = {"Camera": "cameras", "Model": "model", "People": "people", "load": "model"}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"refit_ros.library.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

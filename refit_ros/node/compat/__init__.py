"""What a robot's ROS 2 has and a bare machine lacks, behind one import:

    from refit_ros.node.compat import cv_bridge, message_filters, tf2_ros

Each is the real package where it imports and works, else a small stand-in of this folder with the same
interface, as far as this package uses it. `STAND_INS` names those in use.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def _check_cv_bridge(real: ModuleType) -> None:
    """cv_bridge imports its compiled half at first use, where a newer NumPy than it was built for shows only then."""
    import numpy as np

    bridge = real.CvBridge()
    message = bridge.cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint8), "bgr8")
    bridge.imgmsg_to_cv2(message, "rgb8")


_CHECKS = {"cv_bridge": _check_cv_bridge}


def load_real(name: str) -> ModuleType:
    """The real package. Raises ImportError, saying why, where it is absent or does not work."""
    try:
        real = importlib.import_module(name)
        if name in _CHECKS:
            _CHECKS[name](real)
    except ImportError:
        raise
    except Exception as error:  # built against another NumPy: AttributeError, SystemError, RuntimeError were all seen
        raise ImportError(f"{name} is installed and does not work: {error}") from error
    return real


def load_stand_in(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}_stand_in")


def _choose(name: str) -> ModuleType:
    try:
        return load_real(name)
    except ImportError:
        return load_stand_in(name)


NAMES = ("cv_bridge", "message_filters", "tf2_ros")


def __getattr__(name: str):
    """Choose when first asked for: a bag is read without any of the three, and without ROS."""
    if name in NAMES:
        globals()[name] = _choose(name)
        return globals()[name]
    if name == "STAND_INS":
        return tuple(each for each in NAMES if __getattr__(each).__name__.endswith("_stand_in"))
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")

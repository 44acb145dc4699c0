"""Where a bag's reader and writer learn the definitions of this package's own messages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAMES = ("SmplView", "Smpl", "SmplArray", "Keypoints")


def definitions_folder() -> Path:
    """The folder of SmplArray.msg: the source tree's, a ROS installation's, or the Python environment's.

    Raises FileNotFoundError, naming what was tried.
    """
    tried = [Path(__file__).resolve().parents[2] / "msg"]
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    tried += [Path(prefix) / "share" / "refit_ros" / "msg" for prefix in prefixes]
    for folder in tried:
        if (folder / "SmplArray.msg").is_file():
            return folder
    raise FileNotFoundError(
        f"the message definitions of refit_ros were not found in {', '.join(map(str, tried))}: "
        "install refit_ros again, or source the workspace where it was built"
    )


def make_store():
    """A type store of rosbags with the standard messages of ROS 2 Jazzy and this package's own."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    folder = definitions_folder()
    for name in NAMES:
        store.register(get_types_from_msg((folder / f"{name}.msg").read_text(), f"refit_ros/msg/{name}"))
    return store

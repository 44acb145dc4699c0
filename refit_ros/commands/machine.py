"""What a figure was measured with: this machine, these versions."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("torch", "numpy", "opencv-python-headless", "smplx", "numba")


def machine_and_versions() -> dict:
    """Processor, cores this process may use, operating system, date, and the packages that matter."""
    from refit_ros import __version__

    return {
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {
            "refit_ros": __version__,
            **{name: version for name in PACKAGES if (version := _version(name))},
            "rmw": os.environ.get("RMW_IMPLEMENTATION", "default"),
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

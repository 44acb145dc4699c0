"""`import refit_ros` costs nothing and gives four names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import refit_ros

HEAVY = ("torch", "numpy", "cv2", "scipy", "smplx", "rclpy")


def test_the_import_is_cheap():
    code = f"import sys, refit_ros\nprint([name for name in {HEAVY!r} if name in sys.modules], refit_ros.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split()[0] == "[]"


def test_what_is_public():
    assert refit_ros.__all__ == ["Camera", "Model", "People", "load"]
    assert all(callable(getattr(refit_ros, name)) for name in refit_ros.__all__)
    assert set(refit_ros.__all__) <= set(dir(refit_ros))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = refit_ros.lod

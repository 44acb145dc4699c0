"""Which of the two is used."""

import sys
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
from refit_ros.node import compat  # noqa: E402

NAMES = ("cv_bridge", "message_filters", "tf2_ros")


@pytest.mark.parametrize("package", NAMES)
def test_the_real_one_is_used_wherever_it_works(package):
    try:
        real = compat.load_real(package)
    except ImportError as reason:
        assert package in compat.STAND_INS
        assert getattr(compat, package) is compat.load_stand_in(package)
        pytest.skip(f"the contract was tested over the stand-in alone: {reason}")
    assert package not in compat.STAND_INS
    assert getattr(compat, package) is real


def test_one_that_imports_and_does_not_work_is_left_alone(monkeypatch):
    """As cv_bridge does beside a NumPy it was not built for."""
    broken = ModuleType("cv_bridge")

    class CvBridge:
        def cv2_to_imgmsg(self, *_):
            raise AttributeError("_ARRAY_API not found")

    broken.CvBridge = CvBridge
    monkeypatch.setitem(sys.modules, "cv_bridge", broken)
    with pytest.raises(ImportError, match="_ARRAY_API"):
        compat.load_real("cv_bridge")
    assert compat._choose("cv_bridge") is compat.load_stand_in("cv_bridge")

"""Third-party models that a test needs: without them it is skipped, with a sentence."""

import pytest

from refit_ros.models.files import command, is_there
from refit_ros.models.table import model


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs_models"):
        missing = [model(name) for name in mark.args if not is_there(name)]
        if missing:
            pytest.skip(f"{', '.join(each.name for each in missing)} not there: `{command(*missing)}` gets them")
        pytest.importorskip("openvino", reason="openvino is not installed")

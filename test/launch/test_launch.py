"""The launch files under launch_testing, where a ROS 2 has it: each description in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AT_MOST_S = 240


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.timeout(AT_MOST_S + 30)
@pytest.mark.parametrize("description", ["system_launch_test.py", "arguments_launch_test.py"])
def test_launch(description, tmp_path):
    for name in ("launch_testing", "launch_ros"):
        pytest.importorskip(name, reason=f"{name} is not installed; a robot's ROS 2 has it")
    ament = pytest.importorskip("ament_index_python.packages", reason="ROS 2 is not installed")
    try:
        ament.get_package_share_directory("refit_ros")
    except LookupError:
        pytest.skip("refit_ros is not built and sourced")
    environment = {**os.environ, "ROS_LOG_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "launch_testing.launch_test", str(HERE / description)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=AT_MOST_S,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"

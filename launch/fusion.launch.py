"""Start the fusion node of some edges: ros2 launch refit_ros fusion.launch.py cameras:=left,right,back fixed_frame:=map

An argument that is not given is not passed on, as with refit.launch.py (docs/several_machines.md).
"""

import importlib.util
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from launch import LaunchDescription

REFIT_LAUNCH = Path(get_package_share_directory("refit_ros")) / "launch" / "refit.launch.py"
ARGUMENTS = (
    "cameras",
    "fixed_frame",
    "extrinsics",
    "tf_prefix",
    "weights",
    "body_model",
    "device",
    "detector",
    "evidence",
    "publish_mesh",
    "hri",
    "obstacles",
    "autostart",
    "use_sim_time",
)  # of refit.launch.py


def refit_launch():
    """The module refit.launch.py, whose arguments these are."""
    spec = importlib.util.spec_from_file_location("refit_launch_of_fusion", REFIT_LAUNCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generate_launch_description() -> LaunchDescription:
    return refit_launch().part_description("refit_fusion", ARGUMENTS, lambda _: "refit_fusion", "refit_fusion")

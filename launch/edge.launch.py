"""Start an edge node beside its cameras: ros2 launch refit_ros edge.launch.py cameras:=left,right

An argument that is not given is not passed on, as with refit.launch.py (docs/several_machines.md).
"""

import importlib.util
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from launch import LaunchDescription

REFIT_LAUNCH = Path(get_package_share_directory("refit_ros")) / "launch" / "refit.launch.py"
ARGUMENTS = (
    "cameras",
    "image_topic",
    "camera_info_topic",
    "image_transport",
    "rectified",
    "weights",
    "body_model",
    "device",
    "detector",
    "evidence",
    "keypoint_source",
    "keypoint_model",
    "autostart",
    "use_sim_time",
)  # of refit.launch.py


def refit_launch():
    """The module refit.launch.py, whose arguments these are."""
    spec = importlib.util.spec_from_file_location("refit_launch_of_edge", REFIT_LAUNCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(arguments: dict) -> str:
    names = refit_launch().camera_names(arguments["cameras"])
    return "_".join(["refit_edge", *names]).replace("/", "_").rstrip("_")


def generate_launch_description() -> LaunchDescription:
    return refit_launch().part_description("refit_edge", ARGUMENTS, name_of, "refit_edge and its cameras")

"""Start an edge node beside its cameras: ros2 launch refit_ros edge.launch.py cameras:=left,right

An argument that is not given is not passed on, as with refit.launch.py (docs/several_machines.md).
"""

import importlib.util
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

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
    "autostart",
    "use_sim_time",
)  # of refit.launch.py


def refit_launch():
    """The module refit.launch.py, whose arguments these are."""
    spec = importlib.util.spec_from_file_location("refit_launch_of_edge", REFIT_LAUNCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(context) -> list:
    arguments = context.launch_configurations
    refit = refit_launch()
    given = refit.said(context, ARGUMENTS)
    return [
        Node(
            package="refit_ros",
            executable="refit_edge",
            name=arguments["name"]
            or "_".join(["refit_edge", *refit.camera_names(arguments["cameras"])]).replace("/", "_").rstrip("_"),
            namespace=arguments["namespace"],
            output="screen",
            emulate_tty=True,
            parameters=[arguments["params_file"] or refit.PARAMS_FILE, *([given] if given else [])],
            additional_env={"REFIT_ENDS_WITH_PARENT": "1"},
        )
    ]


def generate_launch_description() -> LaunchDescription:
    refit = refit_launch()
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value="", description=f"{refit.PASSED_ON[name][1]} (not given: the node's own default)"
                )
                for name in ARGUMENTS
            ),
            DeclareLaunchArgument("params_file", default_value=refit.PARAMS_FILE, description="Parameters of the node"),
            DeclareLaunchArgument("namespace", default_value="", description="Of all edges and the fusion node alike"),
            DeclareLaunchArgument(
                "name", default_value="", description="Of the node; not given: refit_edge and its cameras"
            ),
            OpaqueFunction(function=start),
        ]
    )

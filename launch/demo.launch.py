"""Synthetic cameras that watch people walk, the node, and RViz: ros2 launch refit_ros demo.launch.py cameras:=4"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
    UnsetLaunchConfiguration,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchDescription

REFIT_LAUNCH = Path(get_package_share_directory("refit_ros")) / "launch" / "refit.launch.py"
WORLD = "world"  # in which the synthetic cameras stand

# Parameters of the synthetic cameras, and what they are given as; `cameras` is their number here.
CAMERAS = {
    "cameras": (int, "How many cameras, 1 to 4"),
    "scene": (
        str,
        "walking, standing, crossing, three_people, half_out, mingling, circling, leaving, poster, desk, crowd, "
        "corridor or hugging",
    ),
    "people": (int, "How many people walk there"),
    "rate": (float, "Sets of images a second"),
    "width": (int, "px"),
    "height": (int, "px"),
}
# Arguments of refit.launch.py that are handed on as they are.
NODE = {
    "weights": "Checkpoint of the network",
    "body_model": "SMPL file or folder",
    "device": "auto, cpu, cuda or cuda:N",
    "params_file": "Parameters of the node",
    "publish_mesh": "Put the mesh into the markers",
    "viewer": "Start the viewer for browsers too",
}


def read(argument: str, text: str, kind: type):
    """A number or text. Raises ValueError naming the argument."""
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{argument} is '{text}': give a{' whole' if kind is int else ''} number") from None


def start(context) -> list:
    from refit_ros.node.synthetic_options import camera_names

    given = {name: value for name, value in context.launch_configurations.items() if value}
    options = {name: read(name, given[name], kind) for name, (kind, _) in CAMERAS.items() if name in given}
    arguments = {name: given[name] for name in NODE if name in given}
    # These people are drawn, and features suit them better than landmarks, which are for real ones.
    arguments |= {
        "cameras": ",".join(camera_names(options.get("cameras", 1))),
        "fixed_frame": WORLD,
        "rviz": given.get("rviz", ""),
        "evidence": "features",
    }
    return [
        Node(
            package="refit_ros",
            executable="synthetic_cameras",
            output="screen",
            emulate_tty=True,
            parameters=[options] if options else [],
            additional_env={"REFIT_ENDS_WITH_PARENT": str(os.getpid())},
            on_exit=Shutdown(reason="the synthetic cameras ended"),
        ),
        *map(UnsetLaunchConfiguration, CAMERAS),  # the node's launch file would tell that it has no such arguments
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(REFIT_LAUNCH)), launch_arguments=arguments.items()),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value="", description=f"{description} (not given: the program's own default)"
                )
                for name, description in {**{name: told for name, (_, told) in CAMERAS.items()}, **NODE}.items()
            ),
            DeclareLaunchArgument("rviz", default_value="true", description="Start RViz too"),
            OpaqueFunction(function=start),
        ]
    )

"""Synthetic cameras that watch people walk, the node, and RViz: ros2 launch refit_ros demo.launch.py cameras:=4"""

from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchDescription

REFIT_LAUNCH = Path(get_package_share_directory("refit_ros")) / "launch" / "refit.launch.py"
WORLD = "world"  # in which the synthetic cameras stand

# Parameters of the synthetic cameras; `cameras` is their number here.
CAMERAS = {
    "cameras": "How many cameras, 1 to 4",
    "scene": "walking, standing, crossing, three_people, half_out, mingling, circling, leaving, poster, desk, crowd, "
    "corridor or hugging",
    "people": "How many people walk there",
    "rate": "Sets of images a second",
    "width": "px",
    "height": "px",
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


def start(context) -> list:
    from refit_ros.node.synthetic_options import camera_names

    given = {name: value for name, value in context.launch_configurations.items() if value}
    count = int(given.get("cameras", 1))
    options = {name: yaml.safe_load(given[name]) for name in CAMERAS if name in given}
    if "rate" in options:
        options["rate"] = float(options["rate"])
    arguments = {name: given[name] for name in NODE if name in given}
    # These people are drawn, and features suit them better than landmarks, which are for real ones.
    arguments |= {
        "cameras": ",".join(camera_names(count)),
        "fixed_frame": WORLD,
        "rviz": given["rviz"],
        "evidence": "features",
    }
    return [
        Node(
            package="refit_ros",
            executable="synthetic_cameras",
            output="screen",
            emulate_tty=True,
            parameters=[options] if options else [],
            additional_env={"REFIT_ENDS_WITH_PARENT": "1"},
            on_exit=Shutdown(reason="the synthetic cameras ended"),
        ),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(REFIT_LAUNCH)), launch_arguments=arguments.items()),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value="", description=f"{description} (not given: the program's own default)"
                )
                for name, description in {**CAMERAS, **NODE}.items()
            ),
            DeclareLaunchArgument("rviz", default_value="true", description="Start RViz too"),
            OpaqueFunction(function=start),
        ]
    )

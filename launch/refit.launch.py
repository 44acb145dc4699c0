"""Start the node `refit`, and RViz if wanted: ros2 launch refit_ros refit.launch.py cameras:=front,left fixed_frame:=map

An argument that is not given is not passed on: the defaults are the node's own (docs/node.md) and those of params_file.
"""
import copy
import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("refit_ros"))
PARAMS_FILE = str(SHARE / "config" / "refit.yaml")

# Launch arguments that are parameters of the node by the same name, and what they are given as.
PASSED_ON = {
    "cameras": (str, "Names of the cameras, separated by commas"),
    "image_topic": (str, "Where pictures come from; {camera} stands for a camera's name"),
    "camera_info_topic": (str, "Where calibrations come from"),
    "image_transport": (str, "raw or compressed"),
    "fixed_frame": (str, "TF frame of everything published; not needed with one camera"),
    "weights": (str, "Checkpoint of the network"),
    "body_model": (str, "SMPL file or the folder that holds it"),
    "device": (str, "auto, cpu, cuda or cuda:N"),
    "detector": (str, "builtin, topic, onnx or full_image"),
    "publish_mesh": (bool, "Put the mesh into /human/markers"),
    "autostart": (bool, "Configure and activate at the start"),
    "use_sim_time": (bool, "Take the time from /clock"),
}


def camera_names(text: str) -> list[str]:
    """"front,left", "front" or "[front, left]"."""
    return [name.strip(" '\"") for name in text.strip("[] ").split(",")]


def said(context) -> dict:
    """The parameters that were given on the command line."""
    parameters = {}
    for name, (kind, _) in PASSED_ON.items():
        text = context.launch_configurations[name]
        if text:
            value = camera_names(text) if name == "cameras" else yaml.safe_load(text) if kind is bool else text
            parameters[name] = ParameterValue(value, value_type=kind) if name != "cameras" else value
    return parameters


def rviz_config(cameras: list[str], namespace: str) -> str:
    """A copy of config/refit.rviz with one overlay for each camera, in the node's namespace."""
    config = yaml.safe_load((SHARE / "config" / "refit.rviz").read_text())
    displays = []
    for display in config["Visualization Manager"]["Displays"]:
        is_overlay = "/overlay" in str(display.get("Topic", {}).get("Value", ""))
        for camera in cameras if is_overlay else [None]:
            shown = copy.deepcopy(display)
            if camera is not None:
                shown["Name"] = f"Overlay {camera}"
                shown["Topic"]["Value"] = f"/human/{camera.strip('/')}/overlay"
            value = shown.get("Topic", {}).get("Value", "")
            if namespace and value.startswith("/human/"):
                shown["Topic"]["Value"] = f"/{namespace.strip('/')}{value}"
            displays.append(shown)
    config["Visualization Manager"]["Displays"] = displays
    with tempfile.NamedTemporaryFile("w", prefix="refit_", suffix=".rviz", delete=False) as file:
        yaml.safe_dump(config, file)
    return file.name


def installed(package: str) -> bool:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def start(context) -> list:
    given, arguments = said(context), context.launch_configurations
    namespace = arguments["namespace"]
    parameters = [arguments["params_file"] or PARAMS_FILE, *([given] if given else [])]
    actions = [Node(package="refit_ros", executable="refit_node", name="refit", namespace=namespace, output="screen",
                    emulate_tty=True, parameters=parameters, additional_env={"REFIT_ENDS_WITH_PARENT": "1"})]
    if yaml.safe_load(arguments["rviz"]):
        if not installed("rviz2"):   # launch itself would raise, and leave what it has started behind
            return [*actions, LogInfo(msg="RViz is not installed (package rviz2): going on without it")]
        cameras = given.get("cameras", ["camera"])
        frame = arguments["rviz_frame"] or arguments["fixed_frame"] or f"{cameras[0]}_optical_frame"
        actions.append(Node(package="rviz2", executable="rviz2", name="refit_rviz", output="screen",
                            arguments=["-d", rviz_config(cameras, namespace), "-f", frame]))
    return actions


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    name, default_value="", description=f"{description} (not given: the node's own default)"
                )
                for name, (_, description) in PASSED_ON.items()
            ),
            DeclareLaunchArgument("params_file", default_value=PARAMS_FILE, description="Parameters of the node"),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and of its topics"),
            DeclareLaunchArgument("rviz", default_value="false", description="Start RViz too"),
            DeclareLaunchArgument(
                "rviz_frame", default_value="", description="RViz's fixed frame, where fixed_frame is not given"
            ),
            OpaqueFunction(function=start),
        ]
    )

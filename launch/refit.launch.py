"""Start the node `refit`, and RViz if wanted: ros2 launch refit_ros refit.launch.py cameras:=front,left fixed_frame:=map

An argument that is not given is not passed on: the defaults are the node's own (docs/node.md) and those of params_file.
"""

import atexit
import copy
import difflib
import fnmatch
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("refit_ros"))
PARAMS_FILE = str(SHARE / "config" / "refit.yaml")
LEVEL_FRAME = "refit_level"  # the node publishes it where it has one camera and no fixed_frame (refit_ros.node.level)
USUAL_SIZE_PX = 640, 480  # of an image: room for larger ones needs a profile of one's own

# Of X11, of Wayland, and what tells Qt to draw without either.
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
NO_SCREEN = (
    "RViz needs a screen, and there is none (DISPLAY is not set; over ssh: ssh -X): going on without it; "
    "viewer:=true shows people in a browser, on any machine"
)

ENDS_WITH_LAUNCH = {"REFIT_ENDS_WITH_PARENT": str(os.getpid())}  # of what is started
# Launch arguments that are parameters of the node by the same name, and what they are given as.
PASSED_ON = {
    "cameras": (str, "Names of the cameras, separated by commas"),
    "image_topic": (str, "Where images come from; {camera} stands for a camera's name"),
    "camera_info_topic": (str, "Where calibrations come from"),
    "image_transport": (str, "raw or compressed"),
    "fixed_frame": (str, "TF frame of everything published; not needed with one camera"),
    "extrinsics": (str, "File of `calibrate` that says where the cameras stand"),
    "tf_prefix": (str, "Before the names of people's frames; not given: the namespace"),
    "rectified": (bool, "Images are rectified: P of CameraInfo is used and no lens"),
    "weights": (str, "Checkpoint of the network"),
    "body_model": (str, "SMPL file or the folder that holds it"),
    "device": (str, "auto, cpu, cuda or cuda:N"),
    "detector": (str, "builtin, photographs, topic, onnx or full_image"),
    "evidence": (str, "auto, keypoints, features or both"),
    "keypoint_source": (str, "models, onnx or topic"),
    "keypoint_model": (str, "ONNX file of keypoint_source onnx"),
    "publish_mesh": (bool, "Put the mesh into /human/markers"),
    "hri": (bool, "Publish people by REP 155 too"),
    "obstacles": (bool, "Publish people for planners too"),
    "autostart": (bool, "Configure and activate at the start"),
    "use_sim_time": (bool, "Take the time from /clock"),
}


PART_ARGUMENTS = ("params_file", "namespace", "name")  # of edges and of the fusion node, beside parameters
REFIT_ARGUMENTS = (*PASSED_ON, "params_file", "namespace", "rviz", "rviz_frame", "viewer", "viewer_host", "viewer_port")


def camera_names(text: str) -> list[str]:
    """ "front,left", "front" or "[front, left]"."""
    return [name.strip(" '\"") for name in text.strip("[] ").split(",")]


def truth(argument: str, text: str) -> bool:
    """False where it is empty, as whoever includes this file may leave it. Raises ValueError naming the argument."""
    if not text:
        return False
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, bool):
        raise ValueError(f"{argument} is '{text}': give true or false")
    return value


def full_name(namespace: str, name: str) -> str:
    return "/" + "/".join(filter(None, (namespace.strip("/"), name)))


def from_file(path: str, node: str) -> dict:
    """The parameters that a file holds for the node of this full name. Raises ValueError with a sentence."""
    if not Path(path).is_file():
        raise ValueError(f"params_file '{path}' does not exist: give a YAML file with parameters, such as {PARAMS_FILE}")
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"params_file '{path}' is no YAML: {' '.join(str(error).split())}") from None
    found = {}

    def walk(part, name: str) -> None:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "ros__parameters":
                if not isinstance(value or {}, dict):
                    raise ValueError(
                        f"params_file '{path}': ros__parameters should be lines of 'name: value', not {value!r:.60}"
                    )
                if fnmatch.fnmatch(node, f"/{name.strip('/')}".replace("**", "*")):
                    found.update(value or {})
            else:
                walk(value, f"{name}/{str(key).strip('/')}")

    walk(content, "")
    if not isinstance(found.get("cameras", []), list):
        raise ValueError(
            f"params_file '{path}': cameras is {found['cameras']!r:.60}, and should be a list, such as [front, left]"
        )
    return found


def said(context, names=PASSED_ON) -> dict:
    """The parameters of these names that were given on the command line."""
    parameters = {}
    for name in names:
        kind = PASSED_ON[name][0]
        text = context.launch_configurations[name]
        if text:
            value = camera_names(text) if name == "cameras" else truth(name, text) if kind is bool else text
            parameters[name] = ParameterValue(value, value_type=kind) if name != "cameras" else value
    return parameters


def misnamed(given, known, program: str) -> list:
    """A line for each argument that is not one of this launch file's, `known`, and is one of another's, or is called much as
    one, or as a parameter: launch takes any in silence. program: what the arguments are for."""
    anywhere = {*REFIT_ARGUMENTS, *PART_ARGUMENTS}
    in_files = re.findall(r"^    # (\w+):", Path(PARAMS_FILE).read_text(), re.MULTILINE)
    lines = []
    for name in sorted(name for name in set(given) - set(known) if given[name]):
        near = difflib.get_close_matches(name, [*anywhere, *in_files], 1, 0.75)
        if near:
            meant = (
                f"did you mean {near[0]}:=...?" if near[0] in anywhere else f"give the parameter {near[0]} in a params_file"
            )
            more = "" if name in anywhere else f"; {meant}"
            lines.append(LogInfo(msg=f"{program} has no argument {name}:=..., what was given for it is not used{more}"))
    return lines


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
    folder = tempfile.mkdtemp(prefix="refit_rviz_")
    atexit.register(shutil.rmtree, folder, True)
    path = Path(folder, "refit.rviz")
    path.write_text(yaml.safe_dump(config))
    return str(path)


def room_for_images(cameras: int) -> dict[str, str]:
    """The environment in which Fast DDS has room for so many cameras' overlays; empty where the user has a profile.

    Other middleware does not look at it.
    """
    from refit_ros.node.large_messages import PROFILE_VARIABLES, segment_bytes, write_profile

    if any(name in os.environ for name in PROFILE_VARIABLES):
        return {}
    folder = tempfile.mkdtemp(prefix="refit_dds_")
    atexit.register(shutil.rmtree, folder, True)
    return write_profile(Path(folder, "fast_dds.xml"), segment_bytes(cameras, *USUAL_SIZE_PX))


def rviz_frame(parameters: dict, namespace: str) -> str:
    """The frame that is certainly there: what everything is published in, or the level frame below the only camera."""
    if parameters.get("fixed_frame"):
        return parameters["fixed_frame"].removeprefix("/")
    prefix = (parameters.get("tf_prefix") or namespace).strip("/")
    return f"{prefix}/{LEVEL_FRAME}" if prefix else LEVEL_FRAME


def installed(package: str) -> bool:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def viewer(known: dict, arguments: dict, namespace: str) -> ExecuteProcess:
    """The page for a browser, of the node's own topics and body."""
    command = [sys.executable, "-m", "refit_ros", "view"]
    options = {"--host": arguments["viewer_host"], "--port": arguments["viewer_port"], "--body": known.get("body_model")}
    options |= {
        f"--{name.replace('_', '-')}": known.get(name) for name in ("image_topic", "camera_info_topic", "image_transport")
    }
    command += [f"{option}={value}" for option, value in options.items() if value]
    remapped = ["--ros-args", "-r", f"__ns:=/{namespace.strip('/')}"] if namespace else []
    return ExecuteProcess(cmd=[*command, *remapped], output="screen", additional_env=ENDS_WITH_LAUNCH)


def start(context) -> list:
    given, arguments = said(context), context.launch_configurations
    namespace = arguments["namespace"]
    path = arguments["params_file"] or PARAMS_FILE
    known = from_file(path, full_name(namespace, "refit"))
    known |= {name: getattr(value, "value", value) for name, value in given.items()}  # out of launch's ParameterValue
    parameters = [path, *([given] if given else [])]
    actions = [
        Node(
            package="refit_ros",
            executable="refit_node",
            name="refit",
            namespace=namespace,
            output="screen",
            emulate_tty=True,
            parameters=parameters,
            additional_env=ENDS_WITH_LAUNCH | room_for_images(len(known.get("cameras") or ["camera"])),
        )
    ]
    if truth("viewer", arguments["viewer"]):
        actions.append(viewer(known, arguments, namespace))
    rviz = truth("rviz", arguments["rviz"])
    if rviz and not installed("rviz2"):  # launch itself would raise, and leave what it has started
        actions.append(LogInfo(msg="RViz is not installed (package rviz2): going on without it"))
    elif rviz and not any(os.environ.get(name) for name in SCREENS):
        actions.append(LogInfo(msg=NO_SCREEN))
    elif rviz:
        cameras = known.get("cameras") or ["camera"]
        frame = arguments["rviz_frame"] or rviz_frame(known, namespace)
        actions.append(
            Node(
                package="rviz2",
                executable="rviz2",
                name="refit_rviz",
                output="screen",
                parameters=[{"use_sim_time": bool(known.get("use_sim_time", False))}],
                arguments=["-d", rviz_config(cameras, namespace), "-f", frame],
            )
        )
    return [*actions, *misnamed(arguments, REFIT_ARGUMENTS, "refit")]


def passed_on(names) -> list:
    """The arguments of these names, declared."""
    return [
        DeclareLaunchArgument(
            name, default_value="", description=f"{PASSED_ON[name][1]} (not given: the node's own default)"
        )
        for name in names
    ]


def part_description(executable: str, names, name_of, name_told: str) -> LaunchDescription:
    """A launch file's that starts a part of the node, with the arguments of these names.

    name_of(arguments): what the node is called where nobody says so; name_told: the same, for `--show-args`.
    """

    def start_part(context) -> list:
        arguments, given = context.launch_configurations, said(context, names)
        name, path = arguments["name"] or name_of(arguments), arguments["params_file"] or PARAMS_FILE
        from_file(path, full_name(arguments["namespace"], name))  # launch goes on without a file that is not there
        return [
            Node(
                package="refit_ros",
                executable=executable,
                name=name,
                namespace=arguments["namespace"],
                output="screen",
                emulate_tty=True,
                parameters=[path, *([given] if given else [])],
                additional_env=ENDS_WITH_LAUNCH,
            ),
            *misnamed(arguments, {*names, *PART_ARGUMENTS}, executable),
        ]

    return LaunchDescription(
        [
            *passed_on(names),
            DeclareLaunchArgument("params_file", default_value=PARAMS_FILE, description="Parameters of the node"),
            DeclareLaunchArgument("namespace", default_value="", description="Of all edges and the fusion node alike"),
            DeclareLaunchArgument("name", default_value="", description=f"Of the node; not given: {name_told}"),
            OpaqueFunction(function=start_part),
        ]
    )


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *passed_on(PASSED_ON),
            DeclareLaunchArgument("params_file", default_value=PARAMS_FILE, description="Parameters of the node"),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and of its topics"),
            DeclareLaunchArgument("rviz", default_value="false", description="Start RViz too"),
            DeclareLaunchArgument(
                "rviz_frame", default_value="", description="RViz's fixed frame; not given: fixed_frame, or the level frame"
            ),
            DeclareLaunchArgument("viewer", default_value="false", description="Start the viewer for browsers too"),
            DeclareLaunchArgument("viewer_host", default_value="", description="Where it listens; not given: 127.0.0.1"),
            DeclareLaunchArgument("viewer_port", default_value="", description="On which port; not given: 8080"),
            OpaqueFunction(function=start),
        ]
    )

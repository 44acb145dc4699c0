"""The launch files' own decisions, with stand-ins for launch where it is not installed."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Action:
    """Any action of launch: remembers what it was made of."""

    def __init__(self, *arguments, **named) -> None:
        self.arguments, self.named = arguments, named


class Value(Action):
    def __init__(self, value, value_type=None) -> None:
        self.value = value


@pytest.fixture
def refit_launch(monkeypatch):
    """The module launch/refit.launch.py, over stand-ins, before a screen."""
    monkeypatch.setenv("DISPLAY", ":0")
    actions = ["DeclareLaunchArgument", "ExecuteProcess", "IncludeLaunchDescription", "LogInfo", "OpaqueFunction"]
    names = {
        "launch": ["LaunchDescription"],
        "launch.actions": [*actions, "Shutdown", "UnsetLaunchConfiguration"],
        "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
        "launch_ros.parameter_descriptions": ["ParameterValue"],
        "ament_index_python": [],
        "ament_index_python.packages": [],
    }
    for name, members in names.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, Value if member == "ParameterValue" else type(member, (Action,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    packages = sys.modules["ament_index_python.packages"]
    packages.get_package_share_directory = lambda _: str(ROOT)
    packages.get_package_prefix = lambda _: str(ROOT)
    packages.PackageNotFoundError = LookupError
    spec = importlib.util.spec_from_file_location("refit_launch", ROOT / "launch" / "refit.launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def part_launch(refit_launch):
    """Loads launch/edge.launch.py, launch/fusion.launch.py or launch/demo.launch.py over the same stand-ins."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_launch", ROOT / "launch" / f"{name}.launch.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def started(module, **given: str):
    """The actions that the description's one function makes of these arguments."""
    described = module.generate_launch_description().arguments[0]
    declared = {
        argument.arguments[0]: argument.named["default_value"]
        for argument in described
        if type(argument).__name__ == "DeclareLaunchArgument"
    }
    (start,) = [action.named["function"] for action in described if type(action).__name__ == "OpaqueFunction"]
    return start(SimpleNamespace(launch_configurations={**declared, **given}))


def rviz(actions) -> tuple[str, dict, dict]:
    """(fixed frame, configuration, parameters) of RViz."""
    named = actions[1].named
    config = yaml.safe_load(Path(named["arguments"][1]).read_text())
    return named["arguments"][3], config, named["parameters"][0]


def overlays(config) -> list[str]:
    topics = [display.get("Topic", {}).get("Value", "") for display in config["Visualization Manager"]["Displays"]]
    return [topic for topic in topics if topic.endswith("/overlay")]


@pytest.mark.parametrize(
    "given, frame",
    [
        ({}, "refit_level"),
        ({"namespace": "robot"}, "robot/refit_level"),
        ({"namespace": "/robot", "tf_prefix": "left"}, "left/refit_level"),
        ({"fixed_frame": "/map"}, "map"),
        ({"fixed_frame": "map", "rviz_frame": "odom"}, "odom"),
    ],
)
def test_rviz_looks_from_a_frame_that_is_published(refit_launch, given, frame):
    assert rviz(started(refit_launch, rviz="true", **given))[0] == frame


def test_the_viewer_is_told_of_the_nodes_topics_and_body(refit_launch, tmp_path):
    """And its command line is one that the command reads."""
    import argparse

    from refit_ros.commands import view

    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"image_topic": "{camera}/image_color"}}}))
    given = {"viewer": "true", "params_file": str(file), "body_model": "SMPL.pkl", "namespace": "robot", "viewer_port": "0"}
    _, action = started(refit_launch, **given)
    words = action.named["cmd"]
    assert words[:4] == [sys.executable, "-m", "refit_ros", "view"] and words[-3:] == ["--ros-args", "-r", "__ns:=/robot"]
    parser = argparse.ArgumentParser()
    view.add_arguments(parser)
    read = parser.parse_args(words[4:-3])
    assert (read.image_topic, read.body, read.port, read.host) == ("{camera}/image_color", "SMPL.pkl", 0, "127.0.0.1")
    assert len(started(refit_launch)) == 1


def test_the_level_frame_is_the_nodes(refit_launch):
    from refit_ros.node.level import LEVEL_FRAME

    assert refit_launch.LEVEL_FRAME == LEVEL_FRAME


@pytest.mark.parametrize("head", ["/**", "refit", "/robot/refit", "robot: {refit", "/robot/*"])
def test_cameras_and_frame_of_a_parameters_file_are_honoured(refit_launch, tmp_path, head):
    inner = {"ros__parameters": {"cameras": ["front", "/rear"], "fixed_frame": "base_link", "use_sim_time": True}}
    content = {"robot": {"refit": inner}} if "{" in head else {head: inner}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**content, "/other": {"ros__parameters": {"cameras": ["wrong"]}}}))
    namespace = {} if head == "refit" else {"namespace": "robot"}
    frame, config, parameters = rviz(started(refit_launch, rviz="true", params_file=str(file), **namespace))
    before = "/robot" if namespace else ""
    assert frame == "base_link" and overlays(config) == [f"{before}/human/{name}/overlay" for name in ("front", "rear")]
    assert parameters == {"use_sim_time": True}


def test_an_argument_counts_more_than_the_file(refit_launch, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**: {ros__parameters: {cameras: [front], fixed_frame: map}}")
    given = {"params_file": str(file), "cameras": "left,right", "fixed_frame": "odom"}
    frame, config, _ = rviz(started(refit_launch, rviz="true", **given))
    assert frame == "odom" and overlays(config) == ["/human/left/overlay", "/human/right/overlay"]


@pytest.mark.parametrize(
    "given, says",
    [
        ({"publish_mesh": "maybe"}, "publish_mesh is 'maybe': give true or false"),
        ({"use_sim_time": "[1"}, "use_sim_time is '[1': give true or false"),
        ({"rviz": "yess"}, "rviz is 'yess': give true or false"),
        ({"params_file": "/nope.yaml"}, "params_file '/nope.yaml' does not exist"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_that_names_the_argument(refit_launch, given, says):
    with pytest.raises(ValueError) as refused:
        started(refit_launch, **given)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text, says",
    [
        ("/**: {ros__parameters: 3}", "ros__parameters should be lines of 'name: value', not 3"),
        ("/**: {ros__parameters: {cameras: 3}}", "cameras is 3, and should be a list"),
        ("/**: {ros__parameters: {cameras: {}}}", "cameras is {}, and should be a list"),
        ("/**: {ros__parameters: {cameras: front}}", "cameras is 'front', and should be a list"),
    ],
)
def test_a_file_with_values_of_other_kinds_is_one_sentence(refit_launch, tmp_path, text, says):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError) as refused:
        started(refit_launch, params_file=str(tmp_path / "mine.yaml"))
    assert says in str(refused.value) and str(tmp_path / "mine.yaml") in str(refused.value)


@pytest.mark.parametrize("name", ["refit", "edge", "fusion"])
def test_arguments_that_are_none_are_told_with_what_was_meant(refit_launch, part_launch, name):
    module = refit_launch if name == "refit" else part_launch(name)
    given = {"camera_": "a", "sync_slop": "0.1", "fixed_fram": "map", "my_robots_colour": "red"}
    lines = [each.named["msg"] for each in started(module, **given) if type(each).__name__ == "LogInfo"]
    assert len(lines) == 3 and all("is not used" in line for line in lines)
    assert "camera_" in lines[0] and "did you mean cameras:=...?" in lines[0]
    assert "did you mean fixed_frame:=...?" in lines[1] and "give the parameter sync_slop_s in a params_file" in lines[2]
    assert not [each for each in started(module, cameras="a") if type(each).__name__ == "LogInfo"]


@pytest.mark.parametrize(
    "name, known, not_known",
    [
        ("fusion", ["extrinsics", "hri", "obstacles"], ["image_topic", "viewer"]),
        ("edge", ["image_topic", "rectified"], ["fixed_frame", "rviz"]),
        ("refit", ["hri", "viewer_port"], ["name"]),
    ],
)
def test_an_argument_of_another_launch_file_is_not_passed_over_in_silence(refit_launch, part_launch, name, known, not_known):
    module = refit_launch if name == "refit" else part_launch(name)
    given = dict.fromkeys([*known, *not_known], "true")
    actions = started(module, **given)
    lines = [each.named["msg"] for each in actions if type(each).__name__ == "LogInfo"]
    assert [line.split()[4] for line in lines] == [f"{each}:=...," for each in sorted(not_known)]
    assert all(line.endswith("is not used") for line in lines)
    parameters = actions[0].named["parameters"][-1]
    assert set(parameters) == set(known) & set(refit_launch.PASSED_ON)


def test_a_file_that_is_no_yaml_is_one_sentence(refit_launch, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: [1\nb: }")
    with pytest.raises(ValueError, match="is no YAML") as refused:
        started(refit_launch, params_file=str(file))
    assert "\n" not in str(refused.value)


def test_the_node_has_room_for_its_images_unless_the_user_has_a_profile(refit_launch, monkeypatch):
    from refit_ros.node.large_messages import PROFILE_VARIABLES, segment_bytes

    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    given = started(refit_launch, cameras="a,b,c,d", fixed_frame="map")[0].named["additional_env"]
    assert given["REFIT_ENDS_WITH_PARENT"] == str(os.getpid())
    (path,) = {Path(given[name]) for name in PROFILE_VARIABLES}
    assert f"<segment_size>{segment_bytes(4, 640, 480)}</segment_size>" in path.read_text()
    monkeypatch.setenv(PROFILE_VARIABLES[1], "/my/own.xml")
    assert started(refit_launch)[0].named["additional_env"] == {"REFIT_ENDS_WITH_PARENT": str(os.getpid())}


def test_rvizs_view_shows_who_stands_before_the_only_camera(refit_launch):
    """The level frame lies at the camera, x ahead; people stand two to six metres along it, and the eye looks their way."""
    _, config, _ = rviz(started(refit_launch, rviz="true"))
    view = config["Visualization Manager"]["Views"]["Current"]
    focal = np.array([view["Focal Point"][axis] for axis in "XYZ"])
    yaw, pitch = view["Yaw"], view["Pitch"]
    # RViz's orbit view: the eye is that far from the focal point, at yaw from x and pitch above the plane.
    off = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    eye = focal + view["Distance"] * off
    for distance_m in (2.0, 4.0, 6.0):
        to_person = np.array([distance_m, 0.0, 0.0]) - eye
        ahead = -off @ to_person / np.linalg.norm(to_person)
        assert np.degrees(np.arccos(ahead)) < 20 and np.linalg.norm(to_person) < 15


def test_without_a_screen_a_sentence_takes_rvizs_place(refit_launch, monkeypatch):
    for name in refit_launch.SCREENS:
        monkeypatch.delenv(name, raising=False)
    node, said = started(refit_launch, rviz="true")
    assert node.named["executable"] == "refit_node" and "RViz needs a screen" in said.named["msg"]
    assert len(started(refit_launch)) == 1
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert started(refit_launch, rviz="true")[1].named["executable"] == "rviz2"


def test_rvizs_file_lies_in_a_folder_of_its_own(refit_launch):
    first, second = (Path(started(refit_launch, rviz="true")[1].named["arguments"][1]) for _ in range(2))
    assert first.parent != second.parent and first.parent.stat().st_mode & 0o077 == 0


def test_edges_and_fusion_are_started_with_what_was_said(part_launch, tmp_path):
    (edge,) = started(part_launch("edge"), cameras="left,robot/back", evidence="keypoints", device="cpu")
    assert edge.named["executable"] == "refit_edge" and edge.named["name"] == "refit_edge_left_robot_back"
    parameters = edge.named["parameters"]
    assert Path(parameters[0]).name == "refit.yaml" and parameters[1]["cameras"] == ["left", "robot/back"]
    assert parameters[1]["evidence"].value == "keypoints" and set(parameters[1]) == {"cameras", "evidence", "device"}
    file = tmp_path / "mine.yaml"
    file.write_text("/**: {ros__parameters: {detector: topic}}")
    given = {"cameras": "left", "fixed_frame": "map", "params_file": str(file), "namespace": "robot"}
    (fusion,) = started(part_launch("fusion"), **given)
    assert fusion.named["executable"] == fusion.named["name"] == "refit_fusion" and fusion.named["namespace"] == "robot"
    assert fusion.named["parameters"][0] == str(file) and fusion.named["parameters"][1]["fixed_frame"].value == "map"
    (plain,) = started(part_launch("edge"))
    assert plain.named["name"] == "refit_edge" and len(plain.named["parameters"]) == 1


@pytest.mark.parametrize("name", ["edge", "fusion"])
def test_what_a_part_does_not_understand_is_told(part_launch, name):
    with pytest.raises(ValueError, match="autostart is 'perhaps': give true or false"):
        started(part_launch(name), autostart="perhaps")


@pytest.mark.parametrize("name", ["edge", "fusion"])
def test_a_part_is_not_started_without_the_file_that_was_named(part_launch, tmp_path, name):
    """launch itself goes on at the defaults, with a warning."""
    with pytest.raises(ValueError, match="params_file '/nope.yaml' does not exist"):
        started(part_launch(name), params_file="/nope.yaml")
    (tmp_path / "mine.yaml").write_text("refit_other: {ros__parameters: {cameras: 3}}")
    assert started(part_launch(name), params_file=str(tmp_path / "mine.yaml"))  # of another node
    (tmp_path / "mine.yaml").write_text("a: [1\nb: }")
    with pytest.raises(ValueError, match="is no YAML"):
        started(part_launch(name), params_file=str(tmp_path / "mine.yaml"))


def test_the_demo_starts_the_node_with_what_it_leaves_open(refit_launch, part_launch):
    """An argument that the demo declares, and nobody has given, is there for the launch file that it includes: empty."""
    demo = part_launch("demo")
    given = {"rviz": "false", "cameras": "2", "rate": "10", "scene": "crossing", "height": "480"}
    there = {**dict.fromkeys([*demo.CAMERAS, *demo.NODE], ""), **given}
    cameras, *unset, included = started(demo, **given)
    assert cameras.named["parameters"] == [{"cameras": 2, "scene": "crossing", "rate": 10.0, "height": 480}]
    for each in unset:  # else the node's launch file would tell of `height`, which is much like `weights`
        del there[each.arguments[0]]
    (node,) = started(refit_launch, **{**there, **dict(included.named["launch_arguments"])})
    assert node.named["parameters"][-1]["cameras"] == ["camera1", "camera2"]


@pytest.mark.parametrize(
    "given, says",
    [
        ({"cameras": "two"}, "cameras is 'two': give a whole number"),
        ({"rate": "fast"}, "rate is 'fast': give a number"),
        ({"width": "[3"}, "width is '[3': give a whole number"),
    ],
)
def test_what_the_demo_cannot_take_is_one_sentence(part_launch, given, says):
    with pytest.raises(ValueError) as refused:
        started(part_launch("demo"), **given)
    assert str(refused.value) == says

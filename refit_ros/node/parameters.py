"""The node's parameters, each with a description, a range and its one default.

Those of the estimator are made from the fields of `refit_ros.estimation.settings.Settings`; those that only the node
knows are the fields of `NodeParameters`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from refit_ros.core.inference import ENGINES, MAX_BATCH, PRECISIONS
from refit_ros.estimation.settings import Settings, check_field
from refit_ros.node.logged import shortened

if TYPE_CHECKING:
    from rclpy.node import Node

_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
_ROS_OWN = ("use_sim_time", "qos_overrides", "start_type_description_service")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list of texts"}
_ALIKE = 0.6  # of a name that may have been meant
_BIGGEST_INTEGER, _BIGGEST_NUMBER = 2**31 - 1, 1e9


def _parameter(default, description: str, minimum=None, maximum=None, choices: tuple = ()):
    return field(
        default=default, metadata={"description": description, "minimum": minimum, "maximum": maximum, "choices": choices}
    )


@dataclass(frozen=True)
class NodeParameters:
    """What the node itself can be told. Raises ValueError with a sentence on values that cannot work together."""

    autostart: bool = _parameter(True, "Configure and activate at the start; false: wait for lifecycle transitions")
    cameras: tuple[str, ...] = _parameter(("camera",), "Names of the cameras, each once")
    image_topic: str = _parameter("{camera}/image_raw", "Where a camera's images come from; {camera} stands for its name")
    camera_info_topic: str = _parameter("{camera}/camera_info", "Where its calibration comes from")
    image_transport: str = _parameter(
        "raw",
        "raw: sensor_msgs/Image on the image topic; compressed: sensor_msgs/CompressedImage on <image topic>/compressed",
        choices=("raw", "compressed"),
    )
    rectified: bool = _parameter(
        False,
        "Images are rectified: P of CameraInfo is used and no lens; a topic that is called "
        "image_rect, rect, rectified or undistorted is taken so by itself",
    )
    detection_topic: str = _parameter("{camera}/detections", "Where boxes of people come from, with detector 'topic'")
    detection_class: str = _parameter("person", "With detector 'topic': only detections of this class id count; empty: all")
    detection_wait_s: float = _parameter(
        0.1, "With detector or keypoint_source 'topic': how long an image waits for what is found in it", 0.0, 5.0
    )
    keypoint_topic: str = _parameter(
        "{camera}/keypoints", "Where people's keypoints come from (refit_ros/Keypoints), with keypoint_source 'topic'"
    )
    sync_slop_s: float = _parameter(0.02, "Images of one set were taken within this time", 0.0, 1.0)
    sync_deadline_s: float = _parameter(0.05, "How long an incomplete set waits for the other cameras", 0.0, 5.0)
    camera_timeout_s: float = _parameter(
        0.5,
        "A camera that is silent for this long (more than the time between two of its images) is not waited for "
        "until it returns",
        0.05,
        60.0,
    )
    fixed_frame: str = _parameter("", "TF frame of everything that is published; empty: the only camera's optical frame")
    extrinsics: str = _parameter(
        "",
        "File of `calibrate` that says where the cameras stand: it is published on /tf_static; empty: TF comes from others",
    )
    tf_prefix: str = _parameter(
        "", "Before the names of people's frames, as in robot/human_1/pelvis; empty: the node's namespace; /: nothing"
    )
    transform_wait_s: float = _parameter(0.1, "How long a set waits for a camera's transform at its capture time", 0.0, 5.0)
    weights: str = _parameter(
        "", "Checkpoint: a published ReFit file (.pt, .pth) or a .safetensors; empty: the embedded one"
    )
    body_model: str = _parameter(
        "",
        "SMPL file (.pkl, .npz), its folder, or refit_ros or anny, the embedded ones; empty: the one that the weights name",
    )
    device: str = _parameter("auto", "auto (a GPU where there is one), cpu, cuda or cuda:N")
    precision: str = _parameter(
        "auto",
        "Of the convolutions of the network that looks at images; auto: half precision where that is quicker and as good",
        choices=PRECISIONS,
    )
    engine: str = _parameter(
        "auto", "What computes these convolutions; auto: openvino on a CPU where it is there, else torch", choices=ENGINES
    )
    max_batch: int = _parameter(
        MAX_BATCH, "At most so many crops go through these convolutions at once, which bounds the memory", 1, 1024
    )
    predict_to_now: bool = _parameter(
        False, "Publish everybody where they will be by then, walking on as before; the stamp stays the images' capture time"
    )
    evidence_wait_s: float = _parameter(
        0.25,
        "Fusion of edges: how long a set waits at most for what its images show; less where the others are quick",
        0.01,
        5.0,
    )
    clock_offset_s: float = _parameter(
        0.02, "Fusion of edges: an edge whose host's clock lies farther off than this is not used; 0: any is", 0.0, 10.0
    )
    publish_mesh: bool = _parameter(False, "Put the mesh into /human/markers, besides skeleton and label")
    hri: bool = _parameter(False, "Publish people by REP 155 too: /humans/bodies, and frames body_h<id>")
    obstacles: bool = _parameter(False, "Publish people for planners too: /human/obstacles, /human/capsules and more")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed_frame", self.fixed_frame.removeprefix("/"))  # ROS 1's way to write it
        _check_cameras(self.cameras)
        for name in ("image_topic", "camera_info_topic", "detection_topic", "keypoint_topic"):
            _check_topic(name, getattr(self, name), self.cameras)
        if self.tf_prefix.strip("/") and not _NAME.fullmatch(self.tf_prefix.strip("/")):
            raise ValueError(f"tf_prefix '{self.tf_prefix[:60]}' is no name for frames: use letters, digits, _ and /")
        for entry in fields(self):
            check_field(entry, getattr(self, entry.name))  # rclpy looks at what it declares, a command line comes here alone
        if len(self.cameras) > 1 and not self.fixed_frame:
            raise ValueError(
                f"{len(self.cameras)} cameras need a fixed_frame in which people are placed: set it to a TF "
                "frame that every camera's optical frame is connected to, such as 'map' or 'base_link'"
            )


def _check_cameras(names: tuple[str, ...]) -> None:
    if not names:
        raise ValueError("cameras is empty: give at least one name")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"camera '{name}' is no ROS name: use letters, digits, _ and / (not first a digit)")
    bare = [name.strip("/") for name in names]
    twice = sorted({name for name in bare if bare.count(name) > 1})
    if twice:
        raise ValueError(f"two cameras are called '{twice[0]}': every camera needs a name of its own")


def _check_topic(parameter: str, template: str, names: tuple[str, ...]) -> None:
    if re.search(r"[{}]", template.replace("{camera}", "")):
        raise ValueError(f"{parameter} is '{template}': only {{camera}} can stand in braces")
    for name in names:
        topic = template.format(camera=name)
        if not _NAME.fullmatch(topic.removeprefix("~/")):
            raise ValueError(
                f"{parameter} is '{template[:100]}', and '{topic[:100]}' is no topic: use letters, digits, _ and single / "
                "(not first a digit)"
            )
    if len(names) > 1 and "{camera}" not in template:
        raise ValueError(f"{parameter} is '{template}', the same topic for all {len(names)} cameras: put {{camera}} into it")


def table() -> list[Field]:
    """Every parameter: the node's own, then the estimator's."""
    return [*fields(NodeParameters), *fields(Settings)]


def default_of(entry: Field) -> Any:
    return list(entry.default) if isinstance(entry.default, tuple) else entry.default


def declare(node: Node) -> None:
    """Declare all of them. rclpy raises on an override of another type or out of range, this on one without a value."""
    from rcl_interfaces.msg import SetParametersResult

    _widen_integers(node)
    _refuse_other_kinds(node)
    for entry in table():
        node.declare_parameter(entry.name, default_of(entry), _descriptor(entry))

    def check_choices(changed) -> SetParametersResult:
        choices = {entry.name: entry.metadata["choices"] for entry in table()}
        for parameter in changed:
            allowed = choices.get(parameter.name)
            if allowed and parameter.value not in allowed:
                return SetParametersResult(successful=False, reason=f"{parameter.name}: choose one of {', '.join(allowed)}")
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check_choices)


def _refuse_other_kinds(node: Node) -> None:
    """Raises ValueError on a value of another kind than the parameter's, in plainer words than rclpy's.

    `cameras: []` in a file reaches rclpy as no value at all, and it raises wherever one is asked for.
    """
    from rclpy.parameter import Parameter

    given = getattr(node, "_parameter_overrides", {})
    for entry in table():
        if entry.name in given and given[entry.name].type_ == Parameter.Type.NOT_SET:
            raise ValueError(
                f"the parameter {entry.name} is empty: give it a value, or leave it out (then it is {default_of(entry)!r})"
            )
        kind = type(default_of(entry))
        if entry.name in given and given[entry.name].type_ != Parameter.Type.from_parameter_value(default_of(entry)):
            raise ValueError(
                f"the parameter {entry.name} is {shortened(repr(given[entry.name].value))}, and should be {_KINDS[kind]}, "
                f"such as {default_of(entry)!r}"
            )


def unknown_overrides(node: Node) -> list[str]:
    """A sentence for each parameter that was given and that this node does not have, with the name it is most like."""
    given = getattr(node, "_parameter_overrides", {})
    known = [entry.name for entry in table()]
    sentences = []
    for name in sorted(given):
        if node.has_parameter(name) or name.split(".")[0] in _ROS_OWN:
            continue
        near = difflib.get_close_matches(name, known, 1, _ALIKE)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        sentences.append(shortened(f"there is no parameter '{name[:60]}', what was given for it is not used{meant}"))
    return sentences


def _widen_integers(node: Node) -> None:
    """Let `-p sync_slop_s:=1` mean 1.0: rclpy refuses a whole number for a parameter with a point."""
    from rclpy.parameter import Parameter

    overrides = getattr(node, "_parameter_overrides", {})
    for entry in table():
        given = overrides.get(entry.name)
        if isinstance(entry.default, float) and given is not None and given.type_ == Parameter.Type.INTEGER:
            overrides[entry.name] = Parameter(entry.name, value=float(given.value))


def read(node: Node, **instead: Any) -> tuple[NodeParameters, Settings]:
    """The values of now, but for some of the node's own. Raises ValueError with a sentence where they cannot work."""

    def values(kind) -> dict[str, Any]:
        found = {entry.name: node.get_parameter(entry.name).value for entry in fields(kind)}
        return {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in found.items()}

    return NodeParameters(**values(NodeParameters) | instead), Settings(**values(Settings))


def _descriptor(entry: Field):
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    described = entry.metadata
    descriptor = ParameterDescriptor(name=entry.name, description=described["description"])
    if described["choices"]:
        descriptor.additional_constraints = "one of " + ", ".join(map(str, described["choices"]))
    low, high = described["minimum"], described["maximum"]
    if low is None and high is None:
        return descriptor
    if isinstance(entry.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=float(-_BIGGEST_NUMBER if low is None else low),
                to_value=float(_BIGGEST_NUMBER if high is None else high),
            )
        ]
    else:
        descriptor.integer_range = [
            IntegerRange(
                from_value=int(-_BIGGEST_INTEGER if low is None else low),
                to_value=int(_BIGGEST_INTEGER if high is None else high),
                step=1,
            )
        ]
    return descriptor

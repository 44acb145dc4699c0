"""The messages are those of the contract with users, field by field."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONTRACT = {
    "msg/SmplArray.msg": [
        "std_msgs/Header header",
        "string[] cameras",
        "builtin_interfaces/Duration sync_spread",
        "builtin_interfaces/Duration latency",
        "Smpl[] people",
    ],
    "msg/Smpl.msg": [
        "int32 id",
        "float32 confidence",
        "string body_model",
        "float32[10] betas",
        "float32[3] global_orient",
        "float32[69] body_pose",
        "geometry_msgs/Vector3 transl",
        "geometry_msgs/Point[24] joints",
        "float32[24] joint_stddev",
        "bool[24] joint_in_image",
        "SmplView[] views",
        "geometry_msgs/PoseWithCovariance root",
        "geometry_msgs/Vector3 root_velocity",
    ],
    "msg/SmplView.msg": [
        "string camera",
        "string frame_id",
        "sensor_msgs/RegionOfInterest box",
        "float32[3] weak_perspective",
        "float32 residual_px",
    ],
    "msg/Expectation.msg": [
        "uint8 VERSION = 3",
        "std_msgs/Header header",
        "bool ahead",
        "uint8 version",
        "string camera",
        "string asker",
        "uint32 number",
        "string network",
        "uint64 calibration",
        "uint8 search",
        "bool search_next",
        "float64[] regions",
        "float64[] turned",
        "uint32[] masked",
        "uint16 mask_side",
        "uint8[] masks",
        "uint32[] windowed",
        "uint16[] windows",
        "builtin_interfaces/Time sent",
    ],
    "msg/ViewEvidence.msg": [
        "uint8 VERSION = 3",
        "std_msgs/Header header",
        "uint8 version",
        "string camera",
        "string asker",
        "uint32 number",
        "string network",
        "uint64 calibration",
        "uint8 searched",
        "float64[] boxes",
        "uint16 regions",
        "uint8 half",
        "uint16[3] maps_shape",
        "uint16[] maps",
        "uint16[] parts",
        "uint16[] pooled",
        "float32[] landmarks_px",
        "int16[] landmarks_mm",
        "uint8[] visibility",
        "float32[] flag",
        "builtin_interfaces/Time asked",
        "builtin_interfaces/Time received",
        "builtin_interfaces/Time sent",
    ],
    "msg/Keypoints.msg": ["std_msgs/Header header", "string layout", "float32[] points"],
    "srv/SetShape.srv": ["int32 id", "float32[10] betas", "bool release", "---", "bool success", "string message"],
}


def fields_of(text: str) -> list[str]:
    lines = (" ".join(line.split("#")[0].split()) for line in text.splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("path", CONTRACT)
def test_definition_is_the_contracts(path):
    assert fields_of((ROOT / path).read_text()) == CONTRACT[path]


def test_there_are_no_others():
    files = [path for folder in ("msg", "srv") for path in (ROOT / folder).iterdir()]
    assert sorted(str(path.relative_to(ROOT)) for path in files) == sorted(CONTRACT)


def test_built_messages_are_those_of_this_source():
    messages = pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    services = pytest.importorskip("refit_ros.srv", reason="the messages of refit_ros are not built")
    built = {f"msg/{name}.msg": getattr(messages, name) for name in ("Keypoints", "Smpl", "SmplArray", "SmplView")}
    for path, message in built.items():
        assert list(message.get_fields_and_field_types()) == [line.split()[1] for line in CONTRACT[path]]
    request, response = services.SetShape.Request(), services.SetShape.Response()
    assert list(request.get_fields_and_field_types()) == ["id", "betas", "release"]
    assert list(response.get_fields_and_field_types()) == ["success", "message"]
    assert len(messages.Smpl().body_pose) == 69 and len(messages.Smpl().joints) == 24


def test_transform_messages_for_bare_machines_are_ros_2s_own():
    store = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    known = store.get_typestore(store.Stores.ROS2_JAZZY)
    definition, _ = known.generate_msgdef("tf2_msgs/msg/TFMessage", ros_version=2)
    own = fields_of((ROOT / "bare_machine/tf2_msgs/msg/TFMessage.msg").read_text())
    assert own == fields_of(definition.split("===")[0])
    assert (ROOT / "bare_machine" / "COLCON_IGNORE").is_file(), "a robot that has tf2_msgs must not build this one"

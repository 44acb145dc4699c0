"""Points spliced into a serialized MarkerArray, wherever alignment puts them."""

from __future__ import annotations

import numpy as np
import pytest
from node_fakes import person_in_camera, small_body

from refit_ros.node.markers import LIFETIME_S, Markers
from refit_ros.node.message_types import BagTypes, RosTypes


def ros_types():
    serialization = pytest.importorskip("rclpy.serialization")
    from visualization_msgs.msg import MarkerArray

    return RosTypes(), lambda data: serialization.deserialize_message(data, MarkerArray)


def bag_types():
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    return BagTypes(store), lambda data: store.deserialize_cdr(data, "visualization_msgs/msg/MarkerArray")


@pytest.mark.parametrize("source", [ros_types, bag_types])
@pytest.mark.parametrize("frame_length", range(1, 10))
def test_meshes_arrive_whole_whatever_stands_before_them(source, frame_length):
    types, read = source()
    body = small_body()
    people = tuple(person_in_camera(body, number, seed=number) for number in (1, 12, 123))
    rng = np.random.default_rng(frame_length)
    meshes = {person.id: rng.normal(0, 1, (40 + person.id, 3)) for person in people}
    faces = rng.integers(0, 40, (60, 3))
    message = read(Markers(types).serialized(people, 10**18 + 5, "f" * frame_length, meshes, faces))
    assert [(m.ns, m.id) for m in message.markers] == [(ns, p.id) for p in people for ns in ("skeleton", "label", "mesh")]
    for marker in message.markers:
        assert marker.header.frame_id == "f" * frame_length and marker.action == 0 and not marker.mesh_use_embedded_materials
        if marker.ns == "mesh":
            np.testing.assert_array_equal([(p.x, p.y, p.z) for p in marker.points], meshes[marker.id][faces].reshape(-1, 3))
        assert marker.lifetime.sec + 1e-9 * marker.lifetime.nanosec == LIFETIME_S, "RViz takes it down if nothing follows"
        if marker.ns == "skeleton":
            assert len(marker.points) == 46
        if marker.ns == "label":
            assert marker.text == f"{marker.id} (90 %)"
            # RViz takes the space between words from scale.x and the letters' height from scale.z.
            assert 0 < marker.scale.x < marker.scale.z
        if marker.ns == "mesh":
            assert 0 < marker.color.a < 1, "the skeleton in it is seen"


def test_whoever_is_gone_is_deleted_once():
    types, read = ros_types()
    body = small_body()
    one, two = (person_in_camera(body, number, seed=number) for number in (1, 2))
    markers = Markers(types)

    def actions(*people):
        return {(m.ns, m.id): m.action for m in read(markers.serialized(people, 1, "map")).markers}

    assert actions(one, two) == {("skeleton", 1): 0, ("label", 1): 0, ("skeleton", 2): 0, ("label", 2): 0}
    assert actions(two) == {("skeleton", 1): 2, ("label", 1): 2, ("skeleton", 2): 0, ("label", 2): 0}
    assert actions(two) == {("skeleton", 2): 0, ("label", 2): 0}
    assert {m.action for m in read(markers.deletion(2, "map")).markers} == {2}
    assert actions() == {}

"""The page by viser: what stands on it, who may connect, what is saved. Clients here speak HTTP and websockets."""

from __future__ import annotations

import io
import socket
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
from motion_truth import body, people_bag, people_message, person, sightings
from scipy.spatial.transform import Rotation

pytest.importorskip("viser", reason="viser is not installed (pip install viser)")
pytest.importorskip("rosbags", reason="rosbags is not installed")

from refit_ros.__main__ import main  # noqa: E402
from refit_ros.core.errors import InputError  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.viewer import server as viewer_server  # noqa: E402
from refit_ros.viewer.panel import people_table, together  # noqa: E402
from refit_ros.viewer.program import load_skin, make_viewer  # noqa: E402
from refit_ros.viewer.recorder import MOST_PEOPLE, Recorder, motion_file  # noqa: E402
from refit_ros.viewer.server import LOCAL_HOST, start_server, stop_server  # noqa: E402

WAIT_S = 60.0  # patience on a machine that has much else to do


@pytest.fixture(scope="module")
def types():
    return BagTypes(make_store())


@pytest.fixture
def viewer():
    server = start_server(LOCAL_HOST, 0)
    recorder = Recorder()
    recorder.add(sightings())
    yield make_viewer(
        server,
        lambda target, source: np.eye(4),
        load_skin(None),
        lambda number, ending: motion_file(recorder.of(number), ending, None),
    )
    stop_server(server)


def show(viewer, message, now_s: float = 0.0) -> None:
    viewer.scene.take_people(message, now_s)
    viewer.step(now_s, now_s)


def handle(viewer, name: str):
    return viewer.server.scene.get_handle_by_name(name)


def client_of(viewer):
    """A websocket that speaks viser's protocol."""
    import viser
    from websockets.sync.client import connect

    return connect(
        f"ws://{LOCAL_HOST}:{viewer.server.get_port()}", subprotocols=[f"viser-v{viser.__version__}"], max_size=None
    )


def receives(client, words: bytes) -> bool:
    """Whether a message with these words comes; packed ones are unpacked."""
    import zstandard

    while True:
        data = client.recv(timeout=WAIT_S)
        at = data.find(b"\x28\xb5\x2f\xfd")
        unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(data[at:]) if at >= 0 else b""
        if words in data or words in unpacked:
            return True


def test_everybody_stands_on_the_page(viewer, types):
    show(viewer, people_message(types, [person(3), person(3, 9)], 3))
    state = viewer.scene.state(0.0)
    mesh, bones = handle(viewer, "/people/4/mesh"), handle(viewer, "/people/4/bones")
    np.testing.assert_array_equal(mesh.vertices, state.people[0].vertices)
    np.testing.assert_array_equal(mesh.faces, body().faces)
    assert tuple(mesh.color) == state.people[0].color and handle(viewer, "/people/9/label").text == "9 (80 %)"
    np.testing.assert_allclose(bones.points[0], state.people[0].joints[[1, 0]], atol=1e-6)
    ellipsoid = handle(viewer, "/people/4/ellipsoid")
    np.testing.assert_allclose(ellipsoid.scale, state.people[0].radii_m)
    np.testing.assert_allclose(ellipsoid.position, state.people[0].joints[0])


def test_people_move_and_go(viewer, types):
    show(viewer, people_message(types, [person(0), person(0, 9)]))
    before = handle(viewer, "/people/4/mesh").vertices.copy()
    show(viewer, people_message(types, [person(11)], 11), 0.1)
    after = handle(viewer, "/people/4/mesh").vertices
    np.testing.assert_allclose(after.mean(axis=0) - before.mean(axis=0), [0.8, 0.3, 0.05], atol=0.15)
    assert handle(viewer, "/people/9/mesh") is None and handle(viewer, "/people/9/label") is None
    viewer.step(10.0, 10.0)
    assert handle(viewer, "/people/4/mesh") is None  # nothing has come for long


def test_layers_are_switched(viewer, types):
    show(viewer, people_message(types, [person(0)]))
    viewer.page.shown["meshes"] = False
    viewer.step(0.1, 0.1)
    assert not handle(viewer, "/people/4/mesh").visible and handle(viewer, "/people/4/bones").visible


def test_frames_of_tf_are_drawn_where_they_are_asked_for(viewer, types):
    show(viewer, people_message(types, [person(0)]))
    assert handle(viewer, "/people/4/frames") is None, "24 of each person, and at first nobody asks"
    viewer.page.shown["frames"] = True
    show(viewer, people_message(types, [person(5)], 5), 0.1)
    frames, shown = handle(viewer, "/people/4/frames"), viewer.scene.state(0.1).people[0]
    np.testing.assert_allclose(frames.batched_positions, shown.joints, atol=1e-6)
    x_of_the_head = Rotation.from_quat(np.roll(frames.batched_wxyzs[15], -1)).apply([1, 0, 0])
    np.testing.assert_allclose(x_of_the_head, shown.joint_axes[15][:, 0], atol=1e-5)
    show(viewer, people_message(types, [person(6)], 6), 0.2)
    np.testing.assert_allclose(frames.batched_positions, viewer.scene.state(0.2).people[0].joints, atol=1e-6)
    viewer.page.shown["frames"] = False
    viewer.step(0.3, 0.3)
    assert not frames.visible


def test_a_camera_is_a_frustum_with_its_image(viewer, types):
    show(viewer, people_message(types, [person(0)]))
    assert handle(viewer, "/cameras/left") is None
    header = SimpleNamespace(frame_id="left_optical")
    viewer.scene.take_camera_info(
        "left", SimpleNamespace(header=header, width=640, height=480, k=[500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    )
    image = np.full((24, 32, 3), 77, np.uint8)
    viewer.scene.take_image("left", image)
    viewer.step(0.1, 0.1)
    frustum = handle(viewer, "/cameras/left")
    assert frustum.aspect == pytest.approx(4 / 3) and np.array_equal(frustum.image, image)
    viewer.scene.take_image("left", None)
    viewer.step(0.2, 0.2)
    assert handle(viewer, "/cameras/left").image is None


def test_the_panel_lists_and_selects(viewer, types):
    show(viewer, people_message(types, [person(0, 9), person(0)]))
    lines = people_table(viewer.scene.state(0.0)).splitlines()
    assert lines[2].startswith("| **4** | 1.") and lines[2].endswith("| 1.0 m/s | 80 % | left |") and "**9**" in lines[3]
    viewer.panel.select(9)
    viewer.step(0.1, 0.1)
    assert viewer.page.selected == 9 and handle(viewer, "/people/9/label").text == "▶ 9 (80 %)"
    viewer.panel.select(77)  # gone meanwhile
    assert viewer.page.selected == 9
    show(viewer, people_message(types, []), 1.0)  # who is gone stays chosen, and can be saved
    assert viewer.page.selected == 9 and "Nobody is seen" in people_table(viewer.scene.state(1.0))


class FakeClient:
    def __init__(self) -> None:
        self.sent, self.said = [], []

    def send_file_download(self, name, content, save_immediately):
        self.sent.append((name, content))

    def add_notification(self, title, text, **_):
        self.said.append(text)


def test_a_persons_motion_is_saved(viewer, types):
    client = FakeClient()
    event = SimpleNamespace(client=client)
    viewer.panel._save_motion(event, "npz")
    assert not client.sent and "Choose a person" in client.said[0]
    show(viewer, people_message(types, [person(0), person(0, 9)]))
    viewer.panel.select(4)
    for ending in ("npz", "glb"):
        viewer.panel._save_motion(event, ending)
    (name, content), (_, model) = client.sent
    assert name == "person_4.npz" and model[:4] == b"glTF"
    with np.load(io.BytesIO(content)) as read:
        assert read["poses"].shape == (12, 156) and int(read["id"]) == 4
    viewer.panel.select(9)
    viewer.panel._save_motion(event, "npz")
    assert len(client.sent) == 2 and "nothing is recorded" in client.said[1]


def test_what_is_seen_is_saved_as_png(viewer):
    import cv2

    client = FakeClient()
    client.camera = SimpleNamespace(image_height=30, image_width=40)
    client.get_render = lambda height, width, **_: np.tile(np.uint8([10, 200, 30]), (height, width, 1))
    viewer.panel._save_view(SimpleNamespace(client=client))
    ((name, content),) = client.sent
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert name == "refit_view.png" and image.shape == (30, 40, 3) and image[0, 0].tolist() == [30, 200, 10]

    def never(*_, **__):
        raise TimeoutError

    client.get_render = never
    viewer.panel._save_view(SimpleNamespace(client=client))
    assert len(client.sent) == 1 and "drew nothing" in client.said[0]


def test_the_recorder_forgets_those_unseen_for_longest():
    recorder = Recorder()
    for number in range(MOST_PEOPLE + 3):
        recorder.add([SimpleNamespace(id=number)])
        recorder.add([SimpleNamespace(id=0)])
    assert len(recorder.of(0)) == MOST_PEOPLE + 4 and not recorder.of(1) and not recorder.of(3) and recorder.of(4)
    with pytest.raises(InputError, match="nothing is recorded"):
        motion_file(recorder.of(1), "npz", None)


def test_a_browser_gets_the_page_and_another_goes_away(viewer, types):
    port = viewer.server.get_port()
    page = urllib.request.urlopen(f"http://{LOCAL_HOST}:{port}", timeout=WAIT_S).read()
    assert b"<html" in page
    show(viewer, people_message(types, [person(0)]))
    with client_of(viewer) as first:
        assert receives(first, b"/people/4/mesh")
    first_gone = client_of(viewer)
    first_gone.socket.close()  # without a word
    show(viewer, people_message(types, [person(1), person(1, 9)], 1), 0.1)
    with client_of(viewer) as second:
        assert receives(second, b"/people/9/mesh")


def test_it_listens_where_it_is_told_only(viewer):
    port = viewer.server.get_port()
    with socket.socket() as other, pytest.raises(OSError):
        other.connect(("127.0.0.2", port))  # this machine as well, and not where it listens


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as taken:
        taken.bind((LOCAL_HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} is in use.*--port 0"):
            start_server(LOCAL_HOST, port)


@pytest.mark.parametrize("host", ["192.0.2.1", "not..a.name"])
def test_an_address_of_somebody_else_is_a_sentence(host):
    with pytest.raises(ValueError, match="--host 127.0.0.1"):
        start_server(host, 0)


def test_without_viser_a_sentence_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    real = viewer_server.importlib.util.find_spec
    monkeypatch.setattr(viewer_server.importlib.util, "find_spec", lambda name: None if name == "viser" else real(name))
    assert main(["view", "--bag", str(people_bag(tmp_path / "bag"))]) == 2
    assert "viser is not installed: `pip install viser` brings it" in capsys.readouterr().err


def test_rates_of_cameras_that_came_at_different_times_share_an_axis():
    times, left, right = together({"left": np.array([[-3.0, 30], [-1, 20]]), "right": np.array([[-2.0, 15]])})
    np.testing.assert_array_equal(times, [-3, -2, -1])
    np.testing.assert_array_equal(left, [30, 30, 20])
    np.testing.assert_array_equal(right, [0, 15, 15])

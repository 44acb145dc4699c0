"""The page in a real browser without a screen, where there is one: people are seen in their colour, and move.

Only where REFIT_TEST_BROWSER is set: drawing by software takes a browser minutes of a processor that others need too. Where
it does not get them the test is skipped, for that says nothing of the page.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from motion_truth import people_message, person
from scipy.spatial.transform import Rotation

pytest.importorskip("viser", reason="viser is not installed (pip install viser)")
pytest.importorskip("rosbags", reason="rosbags is not installed")

from refit_ros.motion.skeleton import Z_UP_FROM_OPTICAL  # noqa: E402
from refit_ros.node.bag_types import make_store  # noqa: E402
from refit_ros.node.message_types import BagTypes  # noqa: E402
from refit_ros.viewer.page import _wxyz  # noqa: E402
from refit_ros.viewer.program import load_skin, make_viewer  # noqa: E402
from refit_ros.viewer.server import LOCAL_HOST, start_server, stop_server  # noqa: E402

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
OPTIONS = ("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SOON_S = 240.0  # for all of the test
WIDTH, HEIGHT = 200, 150
LEAST_PX, LOOKS, NEAR_PX = 150, 10, 40
CLICKS = 20  # a page that is drawn once a second hears not all of them
HUE_WITHIN, SATURATED = 12, 40  # of OpenCV's 180 and 255: light and transparency change the colour

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def browser(tmp_path):
    """Opens an address in a browser, and gives the folder of its profile."""
    if not os.environ.get("REFIT_TEST_BROWSER"):
        pytest.skip("a look at the page takes minutes: set REFIT_TEST_BROWSER=1 for it")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser for a look at the page: none of {', '.join(NAMES)} is installed")
    started = []

    def open_page(address: str, window: str = "220,160") -> Path:
        profile = tmp_path / "profile"
        command = [
            path,
            *OPTIONS,
            f"--window-size={window}",
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            address,
        ]
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(subprocess.Popen(command, start_new_session=True, **quiet))
        return profile

    yield open_page
    for each in started:
        os.killpg(each.pid, signal.SIGKILL)  # its own children too, which draw
        each.wait()


class Eye:
    """A browser's client, looked through until a time."""

    def __init__(self, client, end_s: float) -> None:
        self._client, self._end_s = client, end_s

    def picture(self) -> np.ndarray:
        """(H, W, 3) RGB of what is seen from x = -3 m along x."""
        view = dict(wxyz=_wxyz(Z_UP_FROM_OPTICAL), position=(-3.0, -2.0, 1.0), fov=1.2, transport_format="png")
        try:
            image = self._client.get_render(HEIGHT, WIDTH, **view, timeout=max(self._end_s - time.monotonic(), 0.01))
        except TimeoutError:
            pytest.skip(f"the browser drew too little within {SOON_S} s")
        return np.ascontiguousarray(image[..., :3])

    def until(self, color: tuple[int, int, int], shown) -> np.ndarray:
        """The coloured pixels once they are as expected, or after some looks: what is sent may come after the next image."""
        for _ in range(LOOKS):
            if shown(colored(self.picture(), color)):
                break
        return colored(self.picture(), color)


def colored(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """(N, 2) px of where the image has this hue."""
    hue = int(cv2.cvtColor(np.uint8([[color]]), cv2.COLOR_RGB2HSV)[0, 0, 0])
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(int)
    away = np.abs((hsv[..., 0] - hue + 90) % 180 - 90)
    return np.argwhere((away < HUE_WITHIN) & (hsv[..., 1] > SATURATED))[:, ::-1]


def middle(pixels: np.ndarray) -> np.ndarray:
    """(2,) px."""
    return pixels.mean(axis=0)


def test_people_are_seen_in_their_colour_and_move(browser):
    server, end_s = start_server(LOCAL_HOST, 0), time.monotonic() + SOON_S
    try:
        viewer = make_viewer(server, lambda target, source: None, load_skin(None), lambda number, ending: ("", b""))
        connected = threading.Event()
        server.on_client_connect(lambda _: connected.set())
        types = BagTypes(make_store())
        viewer.page.shown["labels"] = False
        viewer.scene.take_people(people_message(types, []), 0.0)
        viewer.step(0.0, 0.0)
        browser(f"http://{LOCAL_HOST}:{server.get_port()}")
        if not connected.wait(max(end_s - time.monotonic(), 0.01)):
            pytest.skip(f"the browser did not come to the page within {SOON_S} s")
        (client,) = server.get_clients().values()
        eye = Eye(client, end_s)
        empty = eye.picture()
        message = people_message(types, [person(0)])
        viewer.scene.take_people(message, 0.0)
        viewer.step(0.1, 0.0)
        color = viewer.scene.state(0.0).people[0].color
        first = eye.until(color, lambda pixels: len(pixels) > LEAST_PX)
        message.people[0].transl.y -= 1.0  # to the right
        for point in message.people[0].joints:
            point.y -= 1.0
        viewer.scene.take_people(message, 0.1)
        viewer.step(0.2, 0.1)
        second = eye.until(color, lambda pixels: len(pixels) > LEAST_PX and abs(middle(pixels) - middle(first))[0] > 5)
    finally:
        stop_server(server)
    assert len(colored(empty, color)) == 0 and len(first) > LEAST_PX and len(second) > LEAST_PX
    # 4 m away, through a lens of 1.2 rad over 150 px: 110 px to a radian.
    right_px, down_px = middle(second) - middle(first)
    assert right_px == pytest.approx(27, abs=12) and abs(down_px) < 10


def test_who_is_clicked_is_chosen(browser):
    connect = pytest.importorskip("websockets.sync.client", reason="websockets is too old to press a mouse").connect
    server, end_s = start_server(LOCAL_HOST, 0), time.monotonic() + SOON_S
    try:
        viewer = make_viewer(server, lambda target, source: None, load_skin(None), lambda number, ending: ("", b""))
        connected = threading.Event()
        server.on_client_connect(lambda _: connected.set())
        viewer.scene.take_people(people_message(BagTypes(make_store()), [person(0)]), 0.0)
        viewer.step(0.0, 0.0)
        profile = browser(f"http://{LOCAL_HOST}:{server.get_port()}", "1000,640")  # beside the panel there is room
        if not connected.wait(max(end_s - time.monotonic(), 0.01)):
            pytest.skip(f"the browser did not come to the page within {SOON_S} s")
        (client,) = server.get_clients().values()
        (shown,) = viewer.scene.state(0.0).people
        assert viewer.page.selected is None
        with connect(debugger_of(profile), ping_interval=None, max_size=None) as socket:
            page = Debugger(socket, end_s)
            while not is_drawn(page.screenshot(), shown, client.camera):
                time.sleep(0.2)  # nobody is there yet whom a click could meet
            x_px, y_px = on_screen(client.camera, shown.joints[0])
            for _ in range(CLICKS):
                for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
                    button = "none" if kind == "mouseMoved" else "left"
                    where = {"x": x_px, "y": y_px, "button": button, "buttons": buttons, "clickCount": 1}
                    page.call("Input.dispatchMouseEvent", type=kind, **where)
                    time.sleep(0.5)
                if viewer.page.selected is not None:
                    break
        assert viewer.page.selected == shown.id
        viewer.step(0.1, 0.0)
        label = server.scene.get_handle_by_name(f"/people/{shown.id}/label")
        assert label.text.startswith("\u25b6 ")
    finally:
        stop_server(server)


class Debugger:
    """A page's commands (Chrome DevTools protocol)."""

    def __init__(self, socket, end_s: float) -> None:
        self._socket, self._end_s, self._number = socket, end_s, 0

    def call(self, method: str, **parameters) -> dict:
        """Skips the test where there is no answer in time."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            try:
                said = json.loads(self._socket.recv(timeout=max(self._end_s - time.monotonic(), 0.01)))
            except TimeoutError:
                pytest.skip(f"the browser drew too little within {SOON_S} s")
            if said.get("id") == self._number:
                return said["result"]

    def screenshot(self) -> np.ndarray:
        """(H, W, 3) RGB of the whole page."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def is_drawn(page: np.ndarray, shown, camera) -> bool:
    """Whether a page (H, W, 3) has somebody where its camera should see them."""
    beside_panel = np.ascontiguousarray(page[:, : camera.image_width])
    pixels = colored(beside_panel, shown.color)
    if len(pixels) < LEAST_PX:
        return False
    away = np.median(pixels, axis=0) - on_screen(camera, shown.joints[0])  # the median: small text has pixels of all colours
    return bool(np.linalg.norm(away) < NEAR_PX)


def on_screen(camera, point: np.ndarray) -> tuple[float, float]:
    """px of a point as the page's own camera sees it; `fov` is of the height."""
    turn = Rotation.from_quat(np.roll(camera.wxyz, -1)).as_matrix()
    x, y, z = turn.T @ (point - camera.position)
    focal_px = camera.image_height / 2 / np.tan(camera.fov / 2)
    return camera.image_width / 2 + focal_px * x / z, camera.image_height / 2 + focal_px * y / z


def debugger_of(profile: Path) -> str:
    """Where the browser's only page takes commands."""
    port = int((profile / "DevToolsActivePort").read_text().split()[0])
    pages = json.load(urlopen(f"http://127.0.0.1:{port}/json", timeout=10.0))
    return next(each["webSocketDebuggerUrl"] for each in pages if each["type"] == "page")

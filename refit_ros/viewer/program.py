"""The viewer as a program: a page that is drawn up to thirty times a second, from the network or from a bag."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refit_ros import interrupt
from refit_ros.viewer.bag_images import BagImages
from refit_ros.viewer.page import Page
from refit_ros.viewer.panel import MotionFile, Panel
from refit_ros.viewer.playback import Playback
from refit_ros.viewer.recorder import Recorder, motion_file
from refit_ros.viewer.scene import Scene
from refit_ros.viewer.server import start_server, stop_server
from refit_ros.viewer.skin import Skin

if TYPE_CHECKING:
    from viser import ViserServer

DRAWN_EVERY_S, PANEL_EVERY_S, PLOTS_EVERY_S = 1 / 30, 0.25, 1.0


@dataclass
class Viewer:
    """A scene, the page that shows it, and the panel beside it."""

    server: ViserServer
    scene: Scene
    page: Page
    panel: Panel
    _drawn: tuple[int, tuple] = (-1, ())
    _panel_s: float = float("-inf")
    _plots_s: float = float("-inf")

    def step(self, now_s: float, scene_now_s: float) -> None:
        """Draw what has changed. now_s: of this program's clock; scene_now_s: of the clock that the scene was filled by."""
        state = self.scene.state(scene_now_s)
        wanted = (state.number, (*self.page.shown.values(), self.page.selected))
        if wanted != self._drawn:
            self.page.draw(state)
            self._drawn = wanted
        if now_s - self._panel_s >= PANEL_EVERY_S:
            plots = self.scene.plots(scene_now_s) if now_s - self._plots_s >= PLOTS_EVERY_S else None
            self._plots_s = now_s if plots is not None else self._plots_s
            self.panel.show(state, plots)
            self._panel_s = now_s


def make_viewer(
    server: ViserServer,
    place: Callable,
    skin: Skin | None,
    motion: MotionFile,
    playback: Playback | None = None,
    images: str = "none",
) -> Viewer:
    scene = Scene(place, skin)
    page = Page(server, lambda person: panel.select(person))
    panel = Panel(server, page, motion, playback, images)
    return Viewer(server, scene, page, panel)


def load_skin(body_path: str | None) -> Skin:
    """Raises InputError with a sentence where the file is no body."""
    from refit_ros.core.body_files import read_body

    return Skin(read_body(body_path))


def view_bag(
    path: Path, topic: str, recording: Path | None, topics: dict[str, str], host: str, port: int, body_path: str | None
) -> int:
    """Until KeyboardInterrupt. recording: the bag with the images, where it is another one. topics: as of `BagImages`.

    Raises ValueError or OSError with a sentence.
    """
    with ExitStack() as stack:
        playback = Playback(path, topic, images_of(recording, path, topics))
        stack.callback(playback.close)
        server = _serve(stack, host, port)

        def motion(person: int, ending: str) -> tuple[str, bytes]:
            return motion_file(playback.sightings(person), ending, body_path)

        images = "camera" if playback.has_images else "none"
        viewer = make_viewer(server, playback.place, load_skin(body_path), motion, playback, images)
        playback.give_cameras(viewer.scene)
        last_s = time.monotonic()
        while True:
            interrupt.check()
            now_s = time.monotonic()
            playback.want_images(viewer.panel.images == "camera")
            playback.advance(now_s - last_s, viewer.scene)
            viewer.step(now_s, playback.now_s)
            last_s = now_s
            time.sleep(max(0.0, DRAWN_EVERY_S - (time.monotonic() - now_s)))


def images_of(recording: Path | None, people: Path, topics: dict[str, str]) -> BagImages | None:
    """Of the recording that was named, else of the people's own bag. Raises ValueError where a named one has none."""
    try:
        return BagImages(recording or people, **topics)
    except ValueError:
        if recording is not None:
            raise
        return None


def view_live(
    ros_arguments: list[str], topics: dict[str, str], host: str, port: int, body_path: str | None, images: str
) -> int:
    """Until KeyboardInterrupt. topics: image_topic, camera_info_topic, transport. Raises ValueError with a sentence."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.signals import SignalHandlerOptions

    from refit_ros.viewer.live import Live

    with ExitStack() as stack:
        server = _serve(stack, host, port)
        recorder = Recorder()

        def motion(person: int, ending: str) -> tuple[str, bytes]:
            return motion_file(recorder.of(person), ending, body_path)

        viewer = make_viewer(
            server, lambda target, source: live.place(target, source), load_skin(body_path), motion, images=images
        )
        rclpy.init(args=ros_arguments, signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        node = Node("refit_viewer")
        live = Live(node, viewer.scene, recorder, **topics)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        ending = threading.Event()
        thread = threading.Thread(target=_spin, args=(executor, node, ending), name="refit viewer spin", daemon=True)
        thread.start()
        stack.callback(_end, ending, executor, thread)
        while True:
            interrupt.check()
            now_s = time.monotonic()
            live.images = viewer.panel.images
            viewer.step(now_s, now_s)
            time.sleep(max(0.0, DRAWN_EVERY_S - (time.monotonic() - now_s)))


def _serve(stack: ExitStack, host: str, port: int) -> ViserServer:
    server = start_server(host, port)
    stack.callback(stop_server, server)
    print(f"open http://{host if host not in ('0.0.0.0', '::') else 'this-machine'}:{server.get_port()}", flush=True)
    return server


def _spin(executor: Any, node: Any, ending: threading.Event) -> None:
    """A callback that raises ends neither the viewer nor the others."""
    while executor.context.ok() and not ending.is_set():
        try:
            executor.spin_once(timeout_sec=0.2)
        except Exception:
            if executor.context.ok() and not ending.is_set():
                node.get_logger().error(f"a callback failed:\n{traceback.format_exc()}")


def _end(ending: threading.Event, executor: Any, thread: threading.Thread) -> None:
    ending.set()
    thread.join(2.0)  # before what it waits for is taken from under it
    executor.shutdown()

"""The cameras' images of a recording, those of the moment that is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np

from refit_ros.node.bag_cameras import cameras_in
from refit_ros.node.frames import NoTransform, matrix
from refit_ros.node.images import rgb_image
from refit_ros.node.recording import CAMERA_INFO, messages_in, open_bag, read_message, transforms_in
from refit_ros.viewer.scene import Scene
from refit_ros.viewer.small_images import IMAGE_PERIOD_S, small

S_NS = 1_000_000_000
EARLIER_NS = S_NS // 2  # before the people's own time a search begins: an image is written before the people found in it
HEADER_BYTES = 12  # of a message in CDR, to the end of its stamp
SKIPPED_NS = 2 * S_NS  # a longer step forward is a jump: what lies between is not read


class BagImages:
    """Raises ValueError where the bag has no camera of these topics, and as `open_bag` does. To be closed."""

    def __init__(self, path: Path, image_topic: str, camera_info_topic: str) -> None:
        self._open = ExitStack()
        self._reader = self._open.enter_context(open_bag(path))
        try:
            names, transport = cameras_in(self._reader, image_topic, camera_info_topic)
        except ValueError:
            self.close()
            raise
        ending = "/compressed" if transport == "compressed" else ""
        topics = {name: "/" + image_topic.lstrip("/").format(camera=name) + ending for name in names}
        self._streams = {
            name: _Stream(self._reader, [each for each in self._reader.connections if each.topic == topic])
            for name, topic in topics.items()
        }
        self._infos = {"/" + camera_info_topic.lstrip("/").format(camera=name): name for name in names}
        self._lookup = transforms_in(self._reader)
        self._due_s = 0.0
        self.wanted = True

    def close(self) -> None:
        self._open.close()

    def give_cameras(self, scene: Scene) -> None:
        """The first calibration of each camera."""
        for topic, name in self._infos.items():
            connections = [each for each in self._reader.connections if (each.topic, each.msgtype) == (topic, CAMERA_INFO)]
            for connection, _, raw in messages_in(self._reader, connections):
                scene.take_camera_info(name, read_message(self._reader, connection, raw))
                break

    def place(self, target: str, source: str, time_ns: int) -> np.ndarray | None:
        """(4, 4) of one frame in another; None without a transform."""
        try:
            return matrix(*self._lookup(target, source, time_ns))
        except NoTransform:
            return None

    def show(self, stamp_ns: int, written_ns: int, scene: Scene) -> None:
        """Give the scene each camera's image of people stamped so, whose message was written to their bag at that time."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + IMAGE_PERIOD_S
        for name, stream in self._streams.items():
            image = stream.at(stamp_ns, written_ns) if self.wanted else None
            if image is not None or not self.wanted:
                scene.take_image(name, image)


@dataclass
class _Stream:
    """One camera's images, read on as time goes on."""

    reader: Any
    connections: list
    _coming: Iterator | None = None
    _next: tuple[int, Any, bytes] | None = None  # stamp, connection, bytes
    _at_ns: int = 0

    def at(self, stamp_ns: int, written_ns: int) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB, small: the last one that is not younger; None where it is shown already or there is none."""
        if self._coming is None or not 0 <= stamp_ns - self._at_ns <= SKIPPED_NS:
            self._coming = messages_in(self.reader, self.connections, written_ns - EARLIER_NS)
            self._next = self._read()
        found, self._at_ns = None, stamp_ns
        while self._next is not None and self._next[0] <= stamp_ns:
            found, self._next = self._next, self._read()
        if found is None:
            return None
        _, connection, raw = found
        try:
            return small(rgb_image(read_message(self.reader, connection, raw)))
        except ValueError:  # the node said why when it was there; all others can be looked at
            return None

    def _read(self) -> tuple[int, Any, bytes] | None:
        for connection, _, raw in self._coming:
            if len(raw) >= HEADER_BYTES:
                return header_stamp_ns(raw), connection, raw
        return None


def header_stamp_ns(raw: bytes) -> int:
    """Of a message in CDR that begins with a std_msgs/Header, without reading the rest of it."""
    little = raw[1] & 1
    seconds, nanoseconds = unpack_from("<iI" if little else ">iI", raw, 4)
    return seconds * S_NS + nanoseconds

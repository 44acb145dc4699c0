"""A bag of people, gone through by a slider or played."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.core.plain_files import shown
from refit_ros.motion.from_messages import SMPL_ARRAY, sightings_of
from refit_ros.motion.types import Sighting
from refit_ros.node.conversions import stamp_ns
from refit_ros.node.frames import NoTransform, matrix
from refit_ros.node.recording import CAMERA_INFO, messages_in, open_bag, read_message, transforms_in
from refit_ros.viewer.bag_images import BagImages
from refit_ros.viewer.scene import Scene

SPEEDS = ("0.25x", "1x", "4x")


class Playback:
    """Raises InputError where the bag has no people, and as `open_bag` does. To be closed."""

    def __init__(self, path: Path, topic: str, images: BagImages | None = None) -> None:
        """images: of the same people, closed with this."""
        self._images = images
        self._open = ExitStack()
        if images is not None:
            self._open.callback(images.close)
        self._reader = self._open.enter_context(open_bag(path))
        wanted = [each for each in self._reader.connections if each.topic == topic and each.msgtype == SMPL_ARRAY]
        self._messages = [(time_ns, connection, raw) for connection, time_ns, raw in messages_in(self._reader, wanted)]
        if not self._messages:
            self.close()
            raise InputError(
                f"{shown(path)} holds no people on {topic}: let `python -m refit_ros bag` make a bag of them first."
            )
        self._times_s = (np.array([time_ns for time_ns, _, _ in self._messages]) - self._messages[0][0]) * 1e-9
        self._lookup = transforms_in(self._reader)
        self._lock = threading.Lock()
        self._shown, self._moved, self._stamp_ns = -1, False, 0
        self.at_s, self.playing, self.speed = 0.0, True, 1.0

    @property
    def length_s(self) -> float:
        return float(self._times_s[-1])

    def close(self) -> None:
        self._open.close()

    def go_to(self, at_s: float) -> None:
        """Somebody moved the slider."""
        with self._lock:
            self.at_s, self._moved = min(max(at_s, 0.0), self.length_s), True

    def advance(self, passed_s: float, scene: Scene) -> None:
        """So much time has passed: give the scene the message of now, if it is another one. After the end it begins."""
        with self._lock:
            if self.playing:
                self.at_s += passed_s * self.speed
                if self.at_s > self.length_s:
                    self.at_s, self._moved = 0.0, True
            index = max(int(np.searchsorted(self._times_s, self.at_s + 1e-6, side="right")) - 1, 0)
            if self._moved:
                scene.forget_people()
            if index != self._shown or self._moved:
                message = self._message(index)
                if message is not None:
                    self._stamp_ns = stamp_ns(message.header.stamp)
                    scene.take_people(message, float(self._times_s[index]))
            self._shown, self._moved = index, False
        if self._images is not None:
            self._images.show(self._stamp_ns, self._messages[index][0], scene)

    def want_images(self, wanted: bool) -> None:
        if self._images is not None:
            self._images.wanted = wanted

    @property
    def has_images(self) -> bool:
        return self._images is not None

    @property
    def now_s(self) -> float:
        """Of the clock by which the scene is filled: in a gap it goes on, and who was seen before it is gone."""
        return self.at_s

    def give_cameras(self, scene: Scene) -> None:
        """The first calibration of each camera in the bag, by its topic's first part."""
        if self._images is not None:
            self._images.give_cameras(scene)
        wanted = [each for each in self._reader.connections if each.msgtype == CAMERA_INFO]
        for connection in wanted:
            for _, _, raw in messages_in(self._reader, [connection]):
                name = connection.topic.strip("/").rsplit("/", 1)[0]
                scene.take_camera_info(name, read_message(self._reader, connection, raw))
                break

    def place(self, target: str, source: str) -> np.ndarray | None:
        """(4, 4) of one frame in another when the people shown were seen; None without a transform."""
        try:
            return matrix(*self._lookup(target, source, self._stamp_ns))
        except NoTransform:
            return self._images.place(target, source, self._stamp_ns) if self._images is not None else None

    def sightings(self, person: int) -> Iterator[Sighting]:
        """All that the bag has of somebody."""
        optical_frames: set[str] = set()
        for index in range(len(self._messages)):
            message = self._message(index)
            if message is not None:
                yield from (each for each in sightings_of(message, optical_frames) if each.id == person)

    def _message(self, index: int) -> Any | None:
        """None: it is damaged; all others can be looked at."""
        _, connection, raw = self._messages[index]
        try:
            return read_message(self._reader, connection, raw)
        except ValueError:
            return None

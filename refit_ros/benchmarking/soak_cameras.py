"""What the node sees in a long run: two cameras, people who come and go, one camera lost and found, the room empty.

Everything is drawn beforehand. Cameras publish at full rate; what they show is drawn at half of it, each image twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from rclpy.clock import Clock, ClockType

from refit_ros.node.compat import tf2_ros
from refit_ros.node.film import Film, shoot
from refit_ros.node.synthetic_cameras import Shots, transform_message
from refit_ros.node.synthetic_options import camera_names

if TYPE_CHECKING:
    from rclpy.node import Node

RATE_HZ, DRAWN_HZ = 30.0, 15.0
NAMES = camera_names(2)
SCENE = "leaving"  # one of the people walks out of all images and back in
SHOWS = {"two people": (2, 0), "three people": (3, 1)}  # name -> how many, seed
EMPTY = "nobody"
_FAR_M = 500.0


def draw(seconds: float, width_px: int, height_px: int, say: Callable[[str], None]) -> dict[str, Film]:
    """Name -> film of so many seconds, of the room without anybody too. All are seen by the same cameras."""
    from refit_ros.synthetic.motion import Motion, Path
    from refit_ros.synthetic.scenes import Scene, named_scene

    films = {}
    for name, (people, seed) in SHOWS.items():
        say(f"drawing {name}")
        scene = named_scene(SCENE, len(NAMES), people, seed, width_px, height_px, NAMES)
        films[name] = shoot(scene, DRAWN_HZ, seconds, at_most_s=3600.0)
    somebody = scene.actors[0]
    betas = torch.as_tensor(somebody.betas)
    elsewhere = Motion(scene.body, betas, "stand", Path((_FAR_M, _FAR_M)), duration_s=1.0)
    empty = Scene([replace(somebody, motion=elsewhere)], scene.cameras, scene.seed)
    return {**films, EMPTY: shoot(empty, DRAWN_HZ, 0.0, at_most_s=3600.0)}


class SoakCameras:
    """Publishes one of the films from a timer of `node`; what it shows and which cameras are lost may change at any time."""

    def __init__(self, node: Node, films: dict[str, Film]) -> None:
        self.show, self.lost, self.sets = next(iter(films)), frozenset(), 0
        self._node, self._films, self._tick = node, films, 0
        cameras = films[self.show].cameras
        self._first, count = {}, 0  # of each film, among all images of a camera
        for name, film in films.items():
            self._first[name], count = count, count + len(film)
        self._shots = [
            Shots(node, camera, tuple(image for film in films.values() for image in film.images[index]), compressed=False)
            for index, camera in enumerate(cameras)
        ]
        stamp = node.get_clock().now().to_msg()
        self._static = tf2_ros.StaticTransformBroadcaster(node)
        self._static.sendTransform([transform_message(camera, stamp) for camera in cameras])
        node.create_timer(1.0 / RATE_HZ, self._take, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _take(self) -> None:
        stamp = self._node.get_clock().now().to_msg()
        index = self._first[self.show] + self._films[self.show].index(int(self._tick * DRAWN_HZ / RATE_HZ))
        for name, shots in zip(NAMES, self._shots, strict=True):
            if name not in self.lost:
                shots.publish(index, stamp)
        self._tick += 1
        self.sets += 1

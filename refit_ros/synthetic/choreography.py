"""What happens in each named scene: how many cameras stand where, who does what, and with which things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from torch import Tensor

from refit_ros.camera.calibration import Calibration
from refit_ros.core.body import Body
from refit_ros.synthetic.cameras import looking_at, ring_of_cameras
from refit_ros.synthetic.motion import Motion, Path, circle
from refit_ros.synthetic.relay import Relay, straight, towards, walked_m

WALKING_M_S = 1.1  # about what a stride of 1 at 0.9 cycles a second comes to
Cameras = list[tuple[Calibration, np.ndarray]]


@dataclass(frozen=True)
class SceneKind:
    """A scene by name."""

    people: int  # as many as it is made for
    part: Callable[[int, int], tuple[str, Path]] | None  # (index, people) -> a motion's kind and path
    cameras: int = 4
    radius_m: float = 3.8  # of the ring of cameras
    place: Callable[[Cameras], Cameras] = lambda ring: ring  # moves the ring's cameras elsewhere
    motion: Callable[[Body, Tensor, int, int], object] | None = None  # (body, betas, index, seed), instead of `part`
    same_clothes: bool = False
    prop: str = ""  # poster, desk


def _round(index: int, people: int) -> float:
    return 2 * pi * index / people


def _walking(index: int, people: int) -> tuple[str, Path]:
    return "walk", circle(1.0 if people == 1 else 1.3, WALKING_M_S, start_rad=_round(index, people) - pi / 2)


def _standing(index: int, people: int) -> tuple[str, Path]:
    around = _round(index, people)
    place = (1.1 * np.cos(around), 1.1 * np.sin(around)) if people > 1 else (0, 0)
    return "stand", Path(place, -pi / 2 + 0.4 * (index % 3 - 1) + 0.25)


def _half_out(index: int, people: int) -> tuple[str, Path]:
    return "gesture", Path((-0.1 + 0.2 * index, 0.2 * index), -pi / 2 + 0.3)


def _crossing(index: int, people: int) -> tuple[str, Path]:
    """To and fro on long thin loops, past each other with half a metre between."""
    side = 1 if index % 2 == 0 else -1
    return "walk", Path((-1.5 * side, (-0.28 - 0.8 * (index // 2)) * side), 0 if side > 0 else pi, 2.7, 1.4, pi)


def _many_things(index: int, people: int) -> tuple[str, Path]:
    around = _round(index, people)
    kinds = ("walk", "gesture", "reach", "stand", "crouch", "walk", "gesture", "sit")
    if kinds[index % 8] == "walk":
        return "walk", circle(1.5, WALKING_M_S, start_rad=around)
    return kinds[index % 8], Path((0.75 * np.cos(around), 0.75 * np.sin(around)), around + 0.8)


def clockwise(radius_m: float, start_rad: float) -> Path:
    """Round and round a circle about the origin, the other way than `circle` goes."""
    lap_s = 2 * pi * radius_m / WALKING_M_S
    return Path((radius_m * cos(start_rad), radius_m * sin(start_rad)), start_rad - pi / 2, 0.0, lap_s, -2 * pi)


def _mingling(index: int, people: int) -> tuple[str, Path]:
    """Half of them round the middle, the other half farther out against them: everybody passes everybody."""
    around = _round(index // 2, max(people // 2, 1))
    return "walk", clockwise(1.3, around + 0.6) if index % 2 else circle(0.6, WALKING_M_S, start_rad=around)


def _circling(index: int, people: int) -> tuple[str, Path]:
    if index == 0:
        return "gesture", Path((0.0, 0.0), -pi / 2)
    return "walk", circle(0.8, WALKING_M_S, start_rad=_round(index - 1, max(people - 1, 1)))


def _leaving(index: int, people: int) -> tuple[str, Path]:
    """Out of all images after some three seconds, round a wide bend, and back in a good two metres beside."""
    if index == 0:
        return "walk", Path((-0.2, 0.9), -0.45, 3.4, 3.2, pi + 0.5)
    return "gesture", Path((-0.9, 0.4 - 0.8 * (index - 1)), -pi / 2)


def _poster(index: int, people: int) -> tuple[str, Path]:
    return "walk", circle(1.1, WALKING_M_S, start_rad=_round(index, people) - pi / 2)


def _desk(index: int, people: int) -> tuple[str, Path]:
    return ("sit", Path((0.0, 0.0), -pi / 2)) if index == 0 else ("stand", Path((1.2 * index, 0.3), -pi / 2 - 0.4))


def _crowd(index: int, people: int) -> tuple[str, Path]:
    """Four who talk in the middle, three who walk round them, three farther out, and so on."""
    ring, place = (0, index) if index < 4 else (1 + (index - 4) % 2, (index - 4) // 2)
    around = _round(place, 4 if ring == 0 else max((people - 4 + 1) // 2, 1)) + 0.5 * ring
    if ring == 1:
        return "walk", circle(1.3, WALKING_M_S, start_rad=around)
    radius_m = 0.55 if ring == 0 else 2.1
    kind = ("gesture", "reach", "stand", "gesture", "crouch")[index % 5]
    return kind, Path((radius_m * cos(around), radius_m * sin(around)), around + pi)


def _corridor(index: int, people: int) -> tuple[str, Path]:
    side = 1 if index % 2 == 0 else -1
    return "walk", straight((-3.0 * side, 0.45 * side + 0.9 * (index // 2)), 0.0 if side > 0 else pi)


HUG_FROM_S, HUG_UNTIL_S, HUG_APART_M = 2.2, 4.4, 0.36


def _hugging(body: Body, betas: Tensor, index: int, seed: int) -> Relay:
    """Two walk up to each other, hug, and each walks back to where they came from."""
    heading = 0.35 if index % 2 == 0 else 0.35 + pi
    before = Motion(body, betas, "walk", straight((0.0, 0.0), heading), seed, duration_s=8.0)
    aside_m = 0.08 + 1.5 * (index // 2)  # shoulder to shoulder rather than nose to nose; further pairs stand elsewhere
    meeting = (aside_m * sin(heading), -aside_m * cos(heading))
    start = towards(meeting, heading, walked_m(before, HUG_FROM_S) + HUG_APART_M / 2)
    first = Motion(body, betas, "walk", straight(start, heading), seed, duration_s=8.0)

    def then(kind: str, path: Path) -> Motion:
        return Motion(body, betas, kind, path, seed, duration_s=8.0)

    return Relay(
        first,
        [
            (HUG_FROM_S, lambda place: then("hug", Path(place, heading))),
            (HUG_UNTIL_S, lambda place: then("walk", straight(place, heading + pi))),
        ],
    )


def _past_the_person(ring: Cameras) -> Cameras:
    """The first camera looks past the person."""
    calibration, pose = ring[0]
    return [(calibration, looking_at(pose[:3, 3], np.array([2.1, 0, 1.1]))), *ring[1:]]


def _from_one_side(ring: Cameras) -> Cameras:
    """On an arc of 100 degrees, so that there is a place that nobody sees."""
    angles = np.linspace(-140, -40, len(ring)) if len(ring) > 1 else np.array([-90.0])
    places = [np.array([3.6 * np.cos(a), 3.6 * np.sin(a), 1.7]) for a in np.radians(angles)]
    target = np.array([0, 0.6, 0.95])
    return [(calibration, looking_at(place, target)) for (calibration, _), place in zip(ring, places)]


def _in_a_row(ring: Cameras) -> Cameras:
    """Side by side and parallel: at the distance of the people each image ends about where the next begins."""
    across = 3.4 * (np.arange(len(ring)) - (len(ring) - 1) / 2)
    return [
        (calibration, looking_at(np.array([x, -3.8, 1.7]), np.array([x, 0.0, 0.95])))
        for (calibration, _), x in zip(ring, across)
    ]


KINDS: dict[str, SceneKind] = {
    "walking": SceneKind(1, _walking, cameras=1),
    "standing": SceneKind(1, _standing, cameras=1),
    "crossing": SceneKind(2, _crossing, cameras=2, radius_m=4.3),
    "three_people": SceneKind(3, _many_things, radius_m=4.3),
    "half_out": SceneKind(1, _half_out, cameras=1, place=_past_the_person),
    "mingling": SceneKind(4, _mingling, radius_m=4.3),
    "circling": SceneKind(2, _circling),
    "leaving": SceneKind(2, _leaving, place=_from_one_side),
    "poster": SceneKind(1, _poster, prop="poster"),
    "desk": SceneKind(1, _desk, prop="desk"),
    "crowd": SceneKind(10, _crowd, radius_m=5.2),
    "corridor": SceneKind(2, _corridor, cameras=3, place=_in_a_row),
    "hugging": SceneKind(2, None, motion=_hugging, same_clothes=True),
}


def ring_for(kind: SceneKind, cameras: int, width_px: int, height_px: int, names: list[str] | None) -> Cameras:
    """The scene's cameras where it wants them."""
    return kind.place(ring_of_cameras(cameras, kind.radius_m, width_px=width_px, height_px=height_px, names=names))

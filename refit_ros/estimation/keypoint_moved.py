"""How far what a camera shows lies from people whom the others see: evidence that it stands elsewhere than it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from refit_ros.camera.camera_rows import CameraRows
from refit_ros.camera.views import Camera
from refit_ros.detection.landmarks import COUNT
from refit_ros.detection.rows import joined
from refit_ros.estimation.keypoint_expected import Expected, middle_px
from refit_ros.estimation.keypoint_tracks import Followed, Seen
from refit_ros.tracking.config import TrackerConfig


def without_suspected(
    people: Sequence[Followed], groups: Mapping[int, Sequence[Seen]], left: Sequence[Seen], suspected: Collection[str]
) -> tuple[dict[int, list[Seen]], list[Seen]]:
    """Nobody is placed by a suspected camera whom another one shows too, and nobody new is believed on its word."""
    kept = {}
    for number, own in groups.items():
        trusted = [one for one in own if one.camera.name not in suspected]
        if trusted or people[number].number is not None:
            kept[number] = trusted or list(own)
    return kept, [one for one in left if one.camera.name not in suspected]


def astray(
    people: Sequence[Followed],
    groups: Mapping[int, Sequence[Seen]],
    left: Sequence[Seen],
    cameras: Sequence[Camera],
    expected: Sequence[Sequence[Expected | None]],
    config: TrackerConfig,
) -> dict[str, float]:
    """{camera: median px}: by how much, as a whole, landmarks lie beside the bodies that two other cameras and more see too.

    groups: by person what shows them, of suspected cameras too. Whom a camera should show and does not, while it shows
    somebody whom nobody expects, is taken for that one. Two cameras can only contradict each other: then both are named.
    """
    enough = min(3, len(cameras))
    # Who has no number yet explains nothing: they may have been born of what is wrong.
    new = [one for number, own in groups.items() if people[number].number is None and len(own) == 1 for one in own]
    found: dict[str, list[float]] = {}
    for number, someone in enumerate(people):
        own = {one.view for one in groups.get(number, ())}
        if len(own) >= enough:
            for one, beside_px in zip(groups[number], _beside_px(someone, groups[number])):
                found.setdefault(one.camera.name, []).append(beside_px)
        if len(own) < enough - 1:
            continue
        for view, where in enumerate(expected):
            there = where[number] if number < len(where) else None
            if view in own or there is None or there.in_the_open < config.least_visible:
                continue
            strange = [one for one in (*left, *new) if one.view == view]
            if not strange:
                continue
            for name in [cameras[view].name] if len(cameras) > 2 else [each.name for each in cameras]:
                found.setdefault(name, []).append(min(_beside_px(someone, strange)))
    return {name: float(np.median(values)) for name, values in found.items()}


def _beside_px(someone: Followed, seen: Sequence[Seen]) -> list[float]:
    """How far, as a whole, landmarks lie beside somebody's body."""
    cameras = CameraRows.of([one.camera for one in seen])
    there = cameras.project(cameras.to_camera(someone.body.landmarks[:COUNT]))
    found = joined([one.found for one in seen])
    return np.linalg.norm(middle_px(found.place_px - there, found.visibility), axis=1).tolist()

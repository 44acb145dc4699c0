"""What a camera sees of a head: not the face of somebody who turns their back, whatever a network says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from drawn_tracks import NAMES, rig

from refit_ros.calibration.heads import hidden
from refit_ros.calibration.look import Looker
from refit_ros.core.landmarks import BLAZEPOSE_33
from refit_ros.detection.landmarks import Landmarks
from refit_ros.estimation.types import People, Person, PersonView

CAMERA = rig((3.8, 0, 1.7)).calibrations[0]
FACE = {name for name in BLAZEPOSE_33 if name == "nose" or "eye" in name or "mouth" in name}


def standing(turned_rad: float) -> np.ndarray:
    """(33, 3) m, 4 m before the camera: 0 looks into it, pi away from it, pi / 2 to the image's left."""
    body = np.zeros((33, 3))
    sides = np.array([name.startswith("left_") - float(name.startswith("right_")) for name in BLAZEPOSE_33])
    head = np.array([name in FACE or "ear" in name for name in BLAZEPOSE_33])
    body[:, 0] = sides * np.where(head, 0.03, 0.18)
    body[head, 1] = -0.7
    body[[name in FACE for name in BLAZEPOSE_33], 2] = -0.09
    body[[name.endswith("_ear") for name in BLAZEPOSE_33], 0] *= 2.5
    cos, sin = np.cos(turned_rad), np.sin(turned_rad)
    return body @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T + [0, 0, 4.0]


@pytest.mark.parametrize(
    ("turned_rad", "unseen"),
    [(0.02, {"right_ear"}), (np.pi - 0.02, FACE | {"right_ear"}), (np.pi / 2 + 0.6, FACE | {"right_ear"})],
)
def test_what_lies_beyond_the_middle_of_the_head_is_hidden(turned_rad, unseen):
    found = hidden(standing(turned_rad), BLAZEPOSE_33)
    assert {name for name, is_hidden in zip(BLAZEPOSE_33, found) if is_hidden} == unseen


def test_where_there_are_no_ears_nothing_is_hidden():
    assert not hidden(standing(np.pi)[: len(NAMES)], NAMES).any()


class Noted:
    """Landmarks as a network tells them, sure of all, and the body fitted to them."""

    def __init__(self, points_m: np.ndarray) -> None:
        self._points_m = points_m

    def of(self, person, calibration) -> Landmarks:
        place_px = calibration.project(self._points_m)[None]
        return SimpleNamespace(place_px=place_px, visibility=np.ones((1, 33)))

    def landmarks_m(self, person) -> np.ndarray:
        return self._points_m


class One:
    def estimate(self, views) -> People:
        view = PersonView(CAMERA.name, CAMERA.frame_id, np.array([300.0, 100, 340, 370]), np.zeros(3), 0.0)
        zeros, turns, ones = np.zeros(3), np.tile(np.eye(3), (24, 1, 1)), np.ones(24)
        person = Person(
            1, 0.9, np.zeros(10), zeros, np.zeros((23, 3)), zeros, np.ones((24, 3)), turns, ones, ones.astype(bool), (view,)
        )
        return People(views[0].stamp_s, (person,), (CAMERA.name,), {})


def test_a_looker_gives_no_weight_to_the_face_of_a_back():
    looker = Looker(0, CAMERA, One(), Noted(standing(np.pi - 0.02)))
    for moment in range(3):
        looker.look(np.zeros((480, 640, 3), np.uint8), moment, moment / 10)
    (track,) = looker.tracks()
    unseen = {name for name, weight in zip(BLAZEPOSE_33, track.weight[0]) if weight == 0}
    assert unseen == FACE | {"right_ear"} and set(track.weight[0].tolist()) == {0.0, 1.0}

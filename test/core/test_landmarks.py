"""Where landmarks lie on a body, and what the layouts of sources mean."""

import numpy as np
import pytest

from refit_ros.core.body_files import read_body
from refit_ros.core.landmarks import (
    LANDMARK_INDEX,
    LANDMARK_NAMES,
    LAYOUTS,
    MIRRORED_LANDMARKS,
    landmark_mixture,
    layout_indices,
)


@pytest.fixture(scope="module")
def rest():
    """Landmarks of the embedded body's rest pose by name: y up, the face towards +z, left to +x."""
    arrays = read_body(None)
    vertices, weights = landmark_mixture(arrays)
    joints = arrays.J_regressor @ arrays.v_template
    places = weights @ np.concatenate([joints, arrays.v_template[list(vertices)]])
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    return dict(zip(LANDMARK_NAMES, places))


def test_layouts_have_the_published_numbers_of_points():
    assert {name: len(points) for name, points in LAYOUTS.items()} == {"blazepose": 33, "coco": 17, "halpe": 26}
    assert LANDMARK_NAMES[11:13] == ("left_shoulder", "right_shoulder") and LANDMARK_NAMES[31] == "left_big_toe"
    assert list(layout_indices("coco")[:3]) == [LANDMARK_INDEX[name] for name in ("nose", "left_eye", "right_eye")]


def test_sides_mirror_each_other():
    other = np.array(MIRRORED_LANDMARKS)
    assert (other[other] == np.arange(len(other))).all()
    assert LANDMARK_NAMES[other[LANDMARK_INDEX["left_wrist"]]] == "right_wrist"


def test_landmarks_lie_where_their_names_say(rest):
    for name in LANDMARK_NAMES:
        if name.startswith("left_"):
            right = rest[name.replace("left_", "right_")]
            assert rest[name][0] > 0
            assert np.abs(rest[name] * (-1, 1, 1) - right).max() < 0.01, name
    assert max(rest, key=lambda name: rest[name][1]) == "head_top"
    assert rest["nose"][2] > rest["left_eye"][2] > rest["left_ear"][2]
    assert rest["left_eye"][1] > rest["nose"][1] > rest["left_mouth"][1] > rest["neck"][1]
    assert rest["left_big_toe"][2] - rest["left_heel"][2] > 0.2
    assert rest["left_small_toe"][0] > rest["left_big_toe"][0]
    assert rest["left_thumb"][2] > rest["left_wrist"][2] > rest["left_pinky"][2]
    assert 0.16 < rest["left_hip"][0] - rest["right_hip"][0] < 0.26


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="'mpii' is unknown"):
        layout_indices("mpii")

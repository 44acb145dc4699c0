"""Angles and lengths of REP 155's kinematic model, against poses that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from refit_ros.core.joints import JOINT_INDEX, PARENTS
from refit_ros.estimation.humanoid import LINKS, Lengths, humanoid, lengths_of

REST = np.zeros((24, 3))  # SMPL's axes: x to the person's left, y up, z ahead; arms down for once
for _name, _place in {
    "pelvis": (0, 0.95, 0), "spine1": (0, 1.05, 0), "spine2": (0, 1.2, 0), "spine3": (0, 1.3, 0), "neck": (0, 1.45, 0),
    "head": (0, 1.55, 0), "left_hip": (0.1, 0.9, 0), "left_knee": (0.1, 0.5, 0), "left_ankle": (0.1, 0.1, 0),
    "left_foot": (0.1, 0.03, 0.1), "left_collar": (0.05, 1.4, 0), "left_shoulder": (0.2, 1.4, 0),
    "left_elbow": (0.2, 1.12, 0), "left_wrist": (0.2, 0.87, 0), "left_hand": (0.2, 0.8, 0),
}.items():  # fmt: skip
    REST[JOINT_INDEX[_name]] = _place
    if _name.startswith("left"):
        REST[JOINT_INDEX[_name.replace("left", "right")]] = np.array(_place) * [-1, 1, 1]
STANDING = Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # the person looks along x, z is up


def posed(**turns) -> tuple[np.ndarray, np.ndarray]:
    """Joints and their turns in the fixed frame; turns by joints' names, in SMPL's axes."""
    rotmats, joints = np.zeros((24, 3, 3)), np.zeros((24, 3))
    for joint, parent in enumerate(PARENTS):
        own = turns.get(next(name for name, index in JOINT_INDEX.items() if index == joint), Rotation.identity())
        above = STANDING.as_matrix() if parent < 0 else rotmats[parent]
        rotmats[joint] = above @ own.as_matrix()
        origin = REST[0] if parent < 0 else REST[parent]
        joints[joint] = (np.zeros(3) if parent < 0 else joints[parent]) + above @ (REST[joint] - origin)
    return joints + [2.0, -1.0, 0.95], rotmats


def angles(**turns) -> dict[str, float]:
    found = humanoid(*posed(**turns), lengths_of(REST, 1.7)).angles
    return {name: value for name, value in found.items() if abs(value) > 1e-6}


def about(axis: str, degrees: float) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def test_standing_with_arms_down_is_zero():
    assert angles() == {}


def test_lengths_are_the_body_s_own():
    found = lengths_of(REST, 1.65)
    expected = Lengths(torso=0.5, shoulders=0.4, hips=0.2, neck=0.15, head=0.11, upper_arm=0.28, forearm=0.25, thigh=0.4,
                       shank=0.4)  # fmt: skip
    assert found.differ(expected) < 1e-9
    assert found.differ(lengths_of(REST * 1.1, 1.65 * 1.1)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ({"left_elbow": about("x", -90)}, {"l_elbow": 90}),  # the forearm forward
        ({"right_elbow": about("x", -60)}, {"r_elbow": 60}),
        ({"left_knee": about("x", 70)}, {"l_knee": -70}),  # the shank backward
        ({"left_hip": about("x", -40)}, {"l_r_hip": 40}),  # the thigh forward
        ({"right_hip": about("x", -40)}, {"r_r_hip": 40}),
        ({"left_hip": about("z", 30)}, {"l_p_hip": 30}),  # the leg to its own side
        ({"right_hip": about("z", -30)}, {"r_p_hip": 30}),
        ({"left_shoulder": about("z", 80)}, {"l_p_shoulder": 80}),  # the arm to its own side
        ({"right_shoulder": about("z", -80)}, {"r_p_shoulder": 80}),
        ({"head": about("y", 35)}, {"y_head": 35}),  # looks to the left
        ({"head": about("x", -20)}, {"p_head": 20}),  # looks up
        ({"head": about("z", 15)}, {"r_head": 15}),  # leans to the right
    ],
)
def test_a_turn_of_one_joint_is_that_angle(turns, expected):
    found = angles(**turns)
    assert {name: round(float(np.degrees(value)), 3) for name, value in found.items()} == expected


def test_bending_forward_is_the_waist_s():
    found = angles(pelvis=Rotation.identity(), spine1=about("x", 45))
    assert np.degrees(found["waist"]) == pytest.approx(45 * 0.8, abs=6)  # the hips are 15 cm below the bend
    assert found["p_head"] == pytest.approx(-(np.radians(45) - found["waist"]), abs=1e-6)  # the head turns with the spine


def test_links_lie_at_the_joints_and_point_along_the_bones():
    random = np.random.default_rng(2)
    turns = {name: Rotation.from_rotvec(0.5 * random.standard_normal(3)) for name in JOINT_INDEX}
    joints, rotmats = posed(**turns)
    found = humanoid(joints, rotmats, lengths_of(REST, 1.7))
    assert tuple(found.links) == LINKS
    for side, full in (("l", "left"), ("r", "right")):
        for link, joint, child in (("shoulder", "shoulder", "elbow"), ("elbow", "elbow", "wrist"), ("hip", "hip", "knee"),
                                   ("knee", "knee", "ankle")):  # fmt: skip
            place, turn = found.links[f"{side}_{link}"]
            np.testing.assert_allclose(place, joints[JOINT_INDEX[f"{full}_{joint}"]], atol=1e-9)
            bone = joints[JOINT_INDEX[f"{full}_{child}"]] - place
            np.testing.assert_allclose(-turn[:, 2], bone / np.linalg.norm(bone), atol=1e-6)
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(turn) == pytest.approx(1)
    place, turn = found.body
    np.testing.assert_allclose(place, (joints[JOINT_INDEX["left_hip"]] + joints[JOINT_INDEX["right_hip"]]) / 2)
    np.testing.assert_allclose(turn[:, 0], rotmats[0][:, 2])  # ahead

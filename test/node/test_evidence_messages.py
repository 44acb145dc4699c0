"""Expectations and evidence as messages: what was meant comes back, and nothing that comes over the wire crashes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refit_ros.camera.boxes import Boxes
from refit_ros.camera.calibration import Calibration
from refit_ros.core.refit import Features
from refit_ros.detection.landmarks import no_landmarks
from refit_ros.estimation.evidence_arrays import as_sent
from refit_ros.estimation.view_evidence import MASK_PX, Expectation, Search, ViewEvidence
from refit_ros.node import conversions
from refit_ros.node.evidence_intake import EvidenceIntake
from refit_ros.node.evidence_messages import (
    Answer,
    Kind,
    Question,
    answer_in,
    answer_message,
    calibration_hash,
    evidence_in,
    question_in,
    question_message,
)
from refit_ros.node.message_types import RosTypes
from refit_ros.node.parameters import NodeParameters
from refit_ros.node.rejections import Rejected, Rejections
from refit_ros.node.remote_eyes import RemoteEyes

pytestmark = pytest.mark.ros
FEATURES = Kind("features", "features/1a2b/body", 32, (2, 8, 8))
KEYPOINTS = Kind("keypoints", "keypoints/blazepose-full/body")
NOW_NS = 1_700_000_000_000_000_000
K = np.array([[60.0, 0, 32], [0, 61.0, 24], [0, 0, 1]])
CAMERA = Calibration("camera", "camera_optical", 64, 48, K, "plumb_bob", np.array([0.1, -0.02, 0, 0, 0.001]))


@pytest.fixture(scope="module")
def types():
    messages = pytest.importorskip("refit_ros.msg", reason="the messages of refit_ros are not built")
    if not hasattr(messages, "ViewEvidence"):
        pytest.skip("the messages were built before there was a ViewEvidence: `make setup` builds them anew")
    return RosTypes()


def over_the_wire(message):
    serialization = pytest.importorskip("rclpy.serialization")
    return serialization.deserialize_message(serialization.serialize_message(message), type(message))


def question(**changes) -> Question:
    mask = np.zeros((32, 32), bool)
    mask[3:, 7:9] = True
    regions = np.array([[-3, 0, 29, 32], [10, 11, 50, 51.0]])
    windows = (None, np.array([[0, 4], [3, 2]], np.uint16))
    wanted = Expectation(Search.FALLBACK, regions, (None, mask), np.array([0.5, np.nan]), windows=windows)
    asked = Question("camera", NOW_NS, wanted, "abcd", 2**32 - 1, calibration_hash(CAMERA), True, NOW_NS + 5)
    return replace(asked, **changes)


def regions(count: int) -> Expectation:
    return Expectation(regions_px=np.tile([0, 0, 32, 32.0], (count, 1)))


def features(count=2) -> ViewEvidence:
    numbers = torch.linspace(-2, 2, count * 2 * 8 * 8).reshape(count, 2, 8, 8).half()
    return ViewEvidence(
        Boxes(np.array([[1.5, 2, 30, 40]]), np.array([0.7])), Features(numbers, numbers[:, 0, 0, :4].clone())
    )


def landmarks(count=1) -> ViewEvidence:
    dice, none = np.random.default_rng(0), no_landmarks()
    shapes = {name: (count, *getattr(none, name).shape[1:]) for name in none.__dataclass_fields__}
    return ViewEvidence(
        landmarks=as_sent(replace(none, **{name: dice.uniform(0.1, 1, shape) for name, shape in shapes.items()}))
    )


def answer(seen: ViewEvidence) -> Answer:
    searched = Search.NOBODY if seen.boxes is None else Search.DETECTOR
    return Answer(
        "camera",
        NOW_NS,
        "camera_optical",
        calibration_hash(CAMERA),
        seen,
        searched,
        "abcd",
        7,
        NOW_NS + 1,
        NOW_NS + 2,
        NOW_NS + 3,
    )


def test_a_question_comes_back(types):
    found = question_in(over_the_wire(question_message(types, question(), FEATURES.network)), FEATURES)
    asked = question()
    assert replace(found, wanted=None) == replace(asked, wanted=None)
    assert found.wanted.search == Search.FALLBACK and np.array_equal(found.wanted.regions_px, asked.wanted.regions_px)
    assert np.array_equal(found.wanted.turned_rad, [0.5, np.nan], equal_nan=True)
    assert found.wanted.windows[0] is None and np.array_equal(found.wanted.windows[1], asked.wanted.windows[1])
    assert found.wanted.masks[0] is None and np.array_equal(found.wanted.masks[1], asked.wanted.masks[1])
    empty = question_in(over_the_wire(question_message(types, question(wanted=Expectation()), "n")), Kind("keypoints", "n"))
    assert len(empty.wanted.regions_px) == 0 and empty.wanted.search == Search.NOBODY


def test_evidence_comes_back(types):
    message = over_the_wire(answer_message(types, answer(features()), FEATURES.network))
    found, seen = answer_in(message, "camera", FEATURES, NOW_NS), evidence_in(message, FEATURES, regions(2))
    assert found == replace(answer(features()), seen=None)
    assert torch.equal(seen.features.maps, features().features.maps)
    assert torch.equal(seen.features.pooled, features().features.pooled)
    assert np.array_equal(seen.boxes.xyxy_px, features().boxes.xyxy_px) and seen.boxes.confidence[0] == 0.7
    message = over_the_wire(answer_message(types, answer(landmarks(2)), KEYPOINTS.network))
    seen = evidence_in(message, KEYPOINTS, regions(3)).landmarks
    for name in ("place_px", "place_m", "visibility", "flag"):
        assert np.array_equal(getattr(seen, name), getattr(landmarks(2).landmarks, name))
    assert (
        evidence_in(over_the_wire(answer_message(types, answer(ViewEvidence()), "n")), KEYPOINTS, Expectation()).boxes
        is None
    )


def test_evidence_of_one_person_is_small(types):
    """The issue's bound, at 30 images a second: 40 kB/s of keypoints, 5 MB/s of the features of who is followed, by a
    network with the published one's maps too."""
    serialize = pytest.importorskip("rclpy.serialization").serialize_message
    told = answer_message(types, replace(answer(ViewEvidence()), asker="", number=0), KEYPOINTS.network)
    headers = 2 * (28 + 64)  # UDP and IP, RTPS, of two packets
    sent = len(serialize(told)) + len(serialize(answer_message(types, answer(landmarks()), KEYPOINTS.network))) + headers
    assert sent * 30 < 40e3
    for side, pooled in ((32, 448), (64, 720)):
        seen = ViewEvidence(None, Features(torch.zeros(1, 67, side, side).half(), torch.zeros(1, pooled).half()))
        wanted = replace(regions(1), windows=(np.zeros((67, 2), np.uint16),))
        sent = answer_message(types, replace(answer(seen), wanted=wanted), FEATURES.network)
        assert (len(serialize(sent)) + len(serialize(told)) + headers) * 30 < 5e6


def test_a_calibration_comes_back_by_its_own_message(types):
    again = conversions.calibration("camera", over_the_wire(conversions.camera_info(types, CAMERA, NOW_NS)))
    assert calibration_hash(again) == calibration_hash(CAMERA)
    for other in (replace(CAMERA, width_px=65), replace(CAMERA, K=K * [[1.001], [1], [1]]), replace(CAMERA, D=None)):
        assert calibration_hash(other) != calibration_hash(CAMERA)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"version": 1}, "another version"),
        ({"network": "features/ffff/body"}, "another network or body"),
        ({"network": "features/1a2b/other"}, "another network or body"),
        ({"camera": "other"}, "another camera"),
        ({"searched": 9}, "malformed evidence"),
        ({"stamp": 0}, "no stamp"),
        ({"stamp": NOW_NS + 10**9}, "from the future"),
    ],
)
def test_what_is_not_meant_for_this_is_refused(types, change, reason):
    message = answer_message(types, answer(features()), FEATURES.network)
    for name, value in change.items():
        if name == "stamp":
            conversions.set_stamp(message.header.stamp, value)
        else:
            setattr(message, name, value)
    with pytest.raises(Rejected) as refused:
        answer_in(message, "camera", FEATURES, NOW_NS)
    assert refused.value.reason == reason


NUMBERS = {
    "boxes": st.floats(),
    "maps": st.integers(0, 2**16 - 1),
    "parts": st.integers(0, 2**16 - 1),
    "pooled": st.integers(0, 2**16 - 1),
    "landmarks_px": st.floats(width=32),
    "landmarks_mm": st.integers(-(2**15), 2**15 - 1),
    "visibility": st.integers(0, 255),
    "flag": st.floats(width=32),
}


def test_a_question_for_landmarks_brings_where_others_are_in_few_bytes(types):
    from rclpy.serialization import serialize_message as serialize

    mask = np.zeros((MASK_PX, MASK_PX), bool)
    mask[10:30, 5:9] = True
    plain = question(wanted=regions(2))
    masked = question(wanted=replace(regions(2), masks=(None, mask)))
    there = question_in(over_the_wire(question_message(types, masked, KEYPOINTS.network)), KEYPOINTS).wanted.masks
    assert there[0] is None and np.array_equal(there[1], mask)
    sizes = [len(serialize(question_message(types, each, KEYPOINTS.network))) for each in (plain, masked)]
    assert sizes[1] - sizes[0] <= MASK_PX**2 // 8 + 8


SCALARS = {"half": st.integers(0, 255), "regions": st.integers(0, 2**16 - 1), "searched": st.integers(0, 255)}
COUNTS = st.sampled_from([0, 1, 4, 5, 10, 33, 64, 66, 99, 128])


@st.composite
def damage(draw):
    """Fields of a ViewEvidence, and what stands in them instead."""
    changes = {}
    for name in draw(st.sets(st.sampled_from([*NUMBERS, *SCALARS, "maps_shape"]), min_size=1, max_size=3)):
        if name in SCALARS:
            changes[name] = draw(SCALARS[name])
        elif name == "maps_shape":
            changes[name] = np.array(draw(st.lists(st.integers(0, 65535), min_size=3, max_size=3)), np.uint16)
        else:
            changes[name] = [draw(NUMBERS[name])] * draw(COUNTS)
    return changes


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(changes=damage(), kind=st.sampled_from([FEATURES, KEYPOINTS]), count=st.integers(0, 3))
def test_nothing_malformed_crashes(types, changes, kind, count):
    message = answer_message(types, answer(features() if kind is FEATURES else landmarks()), kind.network)
    for name, value in changes.items():
        setattr(message, name, value)
    try:
        answer_in(message, "camera", kind, NOW_NS)
        seen = evidence_in(message, kind, regions(count))
    except Rejected:
        return
    if seen.features is not None:
        assert len(seen.features.maps) == count and torch.isfinite(seen.features.maps).all()
    if seen.landmarks is not None:
        assert len(seen.landmarks) <= count and np.isfinite(seen.landmarks.place_px).all()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    regions=st.lists(st.floats(), max_size=9),
    masked=st.lists(st.integers(0, 2**32 - 1), max_size=3),
    side=st.integers(0, 2**16 - 1),
    masks=st.binary(max_size=300),
    search=st.integers(0, 255),
    windowed=st.lists(st.integers(0, 2**32 - 1), max_size=3),
    windows=st.lists(st.integers(0, 2**16 - 1), max_size=9),
)
def test_no_malformed_question_crashes(types, regions, masked, side, masks, search, windowed, windows):
    message = question_message(types, question(), FEATURES.network)
    message.regions, message.masked, message.mask_side = regions, masked, side
    message.masks, message.search = list(masks), search
    message.windowed, message.windows = windowed, windows
    try:
        found = question_in(message, FEATURES)
    except Rejected:
        return
    assert np.isfinite(found.wanted.regions_px).all()


def intake(warned, **changes):
    eyes = RemoteEyes(lambda question: None, [], 10, 1.0)
    options = {"parameters": NodeParameters(), "take_boxes": False, "clock_offset_s": 0.02, "now_ns": lambda: NOW_NS}
    options |= {"host_now_ns": lambda: NOW_NS, **changes}
    return EvidenceIntake(rejections=Rejections(warned.append), kind=FEATURES, eyes=eyes, **options), eyes


def told(types):
    return answer_message(types, replace(answer(ViewEvidence()), asker="", number=0), FEATURES.network)


def test_a_node_that_does_not_know_the_time_refuses_nothing_as_from_the_future(types):
    """Its clock stands at 0 where use_sim_time is true and no /clock has come."""
    found, _ = intake([], now_ns=lambda: 0)
    found.camera_info("camera", conversions.camera_info(types, CAMERA, NOW_NS), 0.0)
    (taken,) = found.evidence("camera", told(types), 0.1)
    assert taken.stamp_ns == NOW_NS


def test_refused_evidence_is_counted_and_named_and_nothing_else_suffers(types):
    warned = []
    found, _ = intake(warned)
    assert found.evidence("camera", told(types), 0.0) == []  # no calibration has come
    found.camera_info("camera", conversions.camera_info(types, CAMERA, NOW_NS), 0.1)
    other = told(types)
    other.calibration ^= 1
    late = told(types)
    conversions.set_stamp(late.header.stamp, NOW_NS + 10**10)
    assert found.evidence("camera", other, 0.2) == found.evidence("camera", late, 0.3) == []
    (taken,) = found.evidence("camera", told(types), 0.4)
    assert taken.stamp_ns == NOW_NS and taken.frames[0].frame_id == "camera_optical" and found.images == {"camera": 1}
    assert found.rejections.of("camera") == {"no CameraInfo": 1, "another calibration": 1, "from the future": 1}
    assert len(warned) == 3 and all(each.startswith("camera: ") for each in warned)


def test_an_answer_to_another_fusion_node_tells_that_there_is_one(types):
    found, eyes = intake([])
    for asker, number, at_s in (("", 0, 0.1), (eyes.asker, 3, 0.2)):
        message = answer_message(types, replace(answer(ViewEvidence()), asker=asker, number=number), FEATURES.network)
        found.evidence("camera", message, at_s)
        assert found.others_asked_s == -np.inf
    found.evidence("camera", answer_message(types, replace(answer(ViewEvidence()), asker="other"), FEATURES.network), 0.3)
    assert found.others_asked_s == 0.3


def test_an_edge_whose_clock_lies_off_is_not_used_until_it_is_set(types):
    warned = []
    found, eyes = intake(warned, host_now_ns=lambda: NOW_NS + 2_000_000)
    found.camera_info("camera", conversions.camera_info(types, CAMERA, NOW_NS), 0.0)
    times = {"asked_ns": NOW_NS, "received_ns": NOW_NS + 51_000_000, "sent_ns": NOW_NS + 51_000_000}
    for_the_time = replace(answer(ViewEvidence()), asker=eyes.asker, number=0, searched=Search.NOBODY, **times)
    found.evidence("camera", answer_message(types, for_the_time, FEATURES.network), 0.1)
    assert "+50.00 +- 1.00" in str(found.clock_values("camera"))
    assert found.evidence("camera", told(types), 0.2) == [] and found.rejections.of("camera") == {"clock": 1}
    assert "50.0 ms off" in warned[0] and "chrony" in warned[0]
    set_now = replace(for_the_time, received_ns=NOW_NS + 900_000, sent_ns=NOW_NS + 900_000 + 10)
    for _ in range(30):  # the old answers are forgotten
        found.evidence("camera", answer_message(types, set_now, FEATURES.network), 0.3)
    assert len(found.evidence("camera", told(types), 0.4)) == 1
    unchecked, _ = intake([], clock_offset_s=0.0)
    assert not unchecked.clock_is_refused("camera")

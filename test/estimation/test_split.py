"""Images looked at elsewhere give the same people: everything between the eyes and the fusion goes through bytes here."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle import Actor, Oracle, Stage, ring
from test_keypoint_estimator import Watching

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import embedded_keypoint_weights, load_network
from refit_ros.core.inference import prepare
from refit_ros.core.refit import Features
from refit_ros.estimation import map_windows
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.evidence_arrays import (
    arrays_of_evidence,
    arrays_of_expectation,
    evidence_of,
    expectation_of,
)
from refit_ros.estimation.eyes import FeatureEyes, LandmarkEyes
from refit_ros.estimation.keypoint_estimator import KeypointEstimator
from refit_ros.estimation.search import detectors
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.stamps import JITTER_S
from refit_ros.estimation.view_evidence import MASK_PX, Expectation, ViewEvidence, in_halves, region_of, square_of
from refit_ros.evaluation.sequences import Plan, render_sequence

SAME_M = 1e-5


def through_bytes(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        return {name: read[name] for name in read.files}


class Apart:
    """The eyes of each camera are its own; what is asked and answered goes through bytes, and some of it is lost."""

    sends = True

    def __init__(self, make, kind, crop_size=0, maps_shape=(0, 0, 0), lost=lambda camera: False):
        self.make, self.kind, self.crop_size, self.maps_shape, self.lost = make, kind, crop_size, maps_shape, lost
        self.eyes = {}
        self.ahead, self.known = {}, [0, 0]  # what was told ahead, by camera; how often it was asked then, and was not
        self.sent = self.parts = self.whole = 0  # bytes of the last answers; regions of which came a part, or all

    def searches(self, search):
        return self._of("any").searches(search)

    def _of(self, name):
        if name not in self.eyes:
            self.eyes[name] = self.make()
        return self.eyes[name]

    def expect(self, cameras, wanted, in_s):
        self.ahead = {cameras[index].name: (cameras[index].stamp_s + in_s, one) for index, one in wanted.items()}

    def look(self, cameras, wanted):
        answers, self.sent = {}, 0
        for index, one in wanted.items():
            stamp_s, told = self.ahead.get(cameras[index].name, (0.0, Expectation()))
            self.known[not (told.asks_as(one) and abs(stamp_s - cameras[index].stamp_s) <= JITTER_S)] += 1
        self.ahead = {}
        for index, one in wanted.items():
            assert cameras[index].image is None  # the fusion has none
            if self.lost(cameras[index].name):
                continue
            one = one if self.maps_shape[0] > 1 else replace(one, windows=())  # the oracle's maps have no markers
            asked = expectation_of(through_bytes(arrays_of_expectation(one)), self.crop_size, self.maps_shape[0])
            here = [replace(self.images[cameras[index].name], boxes=None)]
            seen = self._of(cameras[index].name).look(here, {0: asked})[0]
            arrays = arrays_of_evidence(seen, asked)
            self.parts, self.whole = self.parts + len(arrays["parts"]), self.whole + len(arrays["maps"])
            self.sent += sum(each.nbytes for each in arrays.values())
            answers[index] = evidence_of(through_bytes(arrays), self.kind, asked, self.maps_shape)
        return answers

    def without_images(self, views):
        self.images = {view.calibration.name: view for view in views}
        return [replace(view, image=None) for view in views]


def same(first, second):
    """The number of people in common."""
    assert [one.id for one in first.people] == [one.id for one in second.people]
    assert (first.cameras, first.detector_calls, first.iterations) == (
        second.cameras,
        second.detector_calls,
        second.iterations,
    )
    for one, other in zip(first.people, second.people):
        assert np.abs(one.joints - other.joints).max() < SAME_M
        assert [view.camera for view in one.views] == [view.camera for view in other.views]
    return len(first.people)


def features_apart(prepared, settings: Settings) -> Apart:
    """Eyes of the network's own features, on the other side of messages."""
    size, side = prepared.config.image_size, prepared.config.image_size // 4
    return Apart(lambda: FeatureEyes(prepared, detectors(settings)), "features", size, (prepared.config.markers, side, side))


def test_features_seen_apart_give_the_same_people():
    sequence = render_sequence(Plan("two", "crossing", cameras=2, length_s=0.8), seed=1)
    prepared = prepare(load_network(None, body=load_body()))
    settings = Settings(detector_interval=3)
    apart = features_apart(prepared, settings)
    together, split = Estimator(prepared, settings), Estimator(prepared, settings, eyes=apart)
    seen = [same(together.estimate(views), split.estimate(apart.without_images(views))) for _, views, _ in sequence.sets()]
    assert max(seen) == 2 and sum(seen) >= 10
    assert apart.parts > apart.whole, "who is followed is mostly seen in parts of the maps"


def test_what_will_be_asked_is_told_ahead_although_stamps_jitter_and_people_are_the_same():
    sequence = render_sequence(Plan("two", "crossing", cameras=2, length_s=2.0), seed=1, rate_hz=15.0)
    prepared, dice = prepare(load_network(None, body=load_body())), np.random.default_rng(2)
    settings = Settings(detector_interval=12)
    apart = features_apart(prepared, settings)
    together, split = Estimator(prepared, settings), Estimator(prepared, settings, eyes=apart)
    split.look_ahead()
    seen = []
    for _, views, _ in sequence.sets():
        views = [replace(view, stamp_s=view.stamp_s + dice.uniform(-0.3, 0.3) * JITTER_S) for view in views]
        seen.append(same(together.estimate(views), split.estimate(apart.without_images(views))))
        split.look_ahead()
    told, untold = apart.known
    assert max(seen) == 2 and told > 20 and untold > 0, "but where people are looked for, and before stamps are steady"


def test_who_is_not_where_they_were_expected_is_looked_at_whole_and_is_the_same(monkeypatch):
    """Windows that are far too small: the loop reads beyond them."""
    monkeypatch.setattr(map_windows, "SHARE", 0.2)
    monkeypatch.setattr(map_windows, "SURE", 1.0)
    sequence = render_sequence(Plan("one", "walking", cameras=1, length_s=0.5), seed=1)
    prepared, settings = prepare(load_network(None, body=load_body())), Settings()
    apart = features_apart(prepared, settings)
    together, split = Estimator(prepared, settings), Estimator(prepared, settings, eyes=apart)
    seen = [same(together.estimate(views), split.estimate(apart.without_images(views))) for _, views, _ in sequence.sets()]
    assert max(seen) == 1 and apart.whole >= apart.parts > 0


@pytest.mark.parametrize(("rate_hz", "in_parts"), [(5.0, False), (30.0, True)])
def test_who_may_have_gone_far_is_looked_at_whole_at_once(rate_hz, in_parts, monkeypatch):
    sequence = render_sequence(Plan("one", "walking", cameras=1, length_s=1.0), seed=1, rate_hz=rate_hz)
    prepared, settings, looks = prepare(load_network(None, body=load_body())), Settings(), []
    apart = features_apart(prepared, settings)
    estimator = Estimator(prepared, settings, eyes=apart)
    looked = Estimator._looked
    monkeypatch.setattr(Estimator, "_looked", lambda *given, **named: looks.append(1) or looked(*given, **named))
    for _, views, _ in sequence.sets():
        estimator.estimate(apart.without_images(views))
    assert len(looks) == len(list(sequence.sets())), "nobody is looked at twice"
    assert (apart.parts > 20) if in_parts else (apart.parts == 0)


def test_landmarks_seen_apart_give_the_same_people():
    network = load_network(embedded_keypoint_weights(load_body()))
    watching = Watching(network, [[-1.0, 0, 5], [1.0, 0, 5.5]])
    settings = Settings(detector="topic")
    apart = Apart(lambda: LandmarkEyes(watching, {}), "keypoints", MASK_PX)
    together = KeypointEstimator(network, watching, settings)
    split = KeypointEstimator(network, None, settings, eyes=apart)
    seen = 0
    for step in range(5):
        watching.places_m[:, 0] += [0.05, -0.05]
        views = watching.views(0.1 * step)
        seen += same(together.estimate(views), split.estimate(apart.without_images(views)))
    assert seen >= 6
    assert apart.sent / 4 * 30 < 40e3  # bytes a second, one person in one camera, 30 times a second


def test_where_landmarks_will_be_asked_for_is_told_ahead_although_stamps_jitter_and_people_are_the_same():
    network, dice = load_network(embedded_keypoint_weights(load_body())), np.random.default_rng(2)
    watching = Watching(network, [[-1.0, 0, 5], [1.0, 0, 5.5]])
    settings = Settings(detector="topic")
    apart = Apart(lambda: LandmarkEyes(watching, {}), "keypoints", MASK_PX)
    together = KeypointEstimator(network, watching, settings)
    split = KeypointEstimator(network, None, settings, eyes=apart)
    seen = []
    for step in range(12):
        watching.places_m[:, 0] += [0.05, -0.05]
        views = watching.views(0.1 * step)
        if step > 1:
            views = [replace(view, boxes=None) for view in views]
        views = [replace(view, stamp_s=view.stamp_s + dice.uniform(-0.3, 0.3) * JITTER_S) for view in views]
        seen.append(same(together.estimate(views), split.estimate(apart.without_images(views))))
        split.look_ahead()
    told, untold = apart.known
    assert min(seen[2:]) == 2 and told > untold > 0


def test_a_camera_that_does_not_answer_is_named_and_the_others_go_on():
    stage = Stage([Actor((-1, 0), (0.5, 0), 1), Actor((1, 0.8), (-0.3, 0), 2)], ring(4))
    oracle = Oracle(stage)
    dice = np.random.default_rng(3)
    lost = {"cam2": False}
    apart = Apart(
        lambda: FeatureEyes(oracle, {}), "features", 32, (1, 8, 8), lost=lambda name: name == "cam2" and lost["cam2"]
    )
    estimator = Estimator(oracle, Settings(detector="topic", smoothing=0.0), eyes=apart)
    ids, named = set(), 0
    for number in range(20):
        lost["cam2"] = dice.random() < 0.4
        people = estimator.estimate(apart.without_images(stage.views(number * 0.1)))
        assert ("cam2" in people.left_out) == ("cam2" not in people.cameras)
        named += "cam2" in people.left_out
        ids |= {one.id for one in people.people}
        assert number < 2 or len(people.people) == 2
        assert all(view.camera in people.cameras for one in people.people for view in one.views)
    assert ids == {1, 2} and 3 < named < 14


def test_nobody_answers():
    stage = Stage([Actor((0, 0), seed=1)], ring(2))
    apart = Apart(lambda: FeatureEyes(Oracle(stage), {}), "features", 32, (1, 8, 8), lost=lambda name: True)
    estimator = Estimator(Oracle(stage), Settings(detector="topic"), eyes=apart)
    for number in range(3):
        people = estimator.estimate(apart.without_images(stage.views(number * 0.1)))
        assert people.people == () and people.cameras == () and set(people.left_out) == {"cam0", "cam1"}


def test_a_crop_is_found_again_by_its_region():
    from refit_ros.camera.crops import square_at

    for center, side in (((100.3, 55.7), 77.2), ((-20, 3.5), 8), ((1e4, 7), 1001)):
        square = square_at(np.array(center, float), side)
        again = square_of(region_of(square))
        assert np.array_equal(again.center_px, square.center_px) and again.side_px == square.side_px


def test_features_beyond_float16_are_sent_in_bfloat16():
    features = in_halves(Features(torch.full((1, 2, 8, 8), 1e5), torch.ones(1, 3)))
    assert features.maps.dtype == torch.bfloat16
    sent = evidence_of(through_bytes(arrays_of_evidence(ViewEvidence(None, features))), "features", asking(1), (2, 8, 8))
    assert torch.equal(sent.features.maps, features.maps) and torch.equal(sent.features.pooled, features.pooled)


REGIONS = np.array([[0, 0, 32, 32], [5, 5, 37, 37.0]])


def asking(count, windows=()):
    return Expectation(regions_px=np.tile([0, 0, 32, 32.0], (count, 1)), windows=windows)


def halves(count=2):
    return in_halves(Features(torch.ones(count, 1, 8, 8), torch.ones(count, 4)))


@pytest.mark.parametrize(
    "name, value, match",
    [
        ("boxes", np.zeros((3, 4)), "boxes"),
        ("maps", np.zeros((1, 1, 8, 8), np.uint16), "maps"),
        ("maps", np.full((2, 1, 8, 8), 0x7C00, np.uint16), "not finite"),
        ("pooled", np.zeros((3, 4), np.uint16), "pooled"),
        ("half", np.uint8(7), "half"),
    ],
)
def test_features_that_cannot_be_are_refused(name, value, match):
    arrays = arrays_of_evidence(ViewEvidence(None, halves()))
    evidence_of(arrays, "features", asking(2), (1, 8, 8))
    with pytest.raises(ValueError, match=match):
        evidence_of(arrays | {name: value}, "features", asking(2), (1, 8, 8))


def test_parts_of_maps_come_to_where_they_were_and_what_cannot_be_is_refused():
    maps = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).half()
    corners = np.array([[0, 4], [2, 0], [4, 3]], np.uint16)  # x, y
    wanted = asking(2, (None, corners))
    arrays = through_bytes(arrays_of_evidence(ViewEvidence(None, Features(maps, torch.ones(2, 4).half())), wanted))
    assert arrays["maps"].shape == (1, 3, 8, 8) and arrays["parts"].shape == (1, 3, 4, 4)
    found = evidence_of(arrays, "features", wanted, (3, 8, 8)).features.maps
    assert torch.equal(found[0], maps[0])
    for channel, (x, y) in enumerate(corners.astype(int)):
        assert torch.equal(found[1, channel, y : y + 4, x : x + 4], maps[1, channel, y : y + 4, x : x + 4])
    assert int(found.isnan().sum()) == 3 * (64 - 16)
    for wrong in ({"parts": arrays["parts"][:, :, :3]}, {"parts": arrays["parts"][:0]}, {"maps": arrays["maps"][:0]}):
        with pytest.raises(ValueError, match="maps have shape"):
            evidence_of(arrays | wrong, "features", wanted, (3, 8, 8))
    asked = arrays_of_expectation(wanted)
    assert np.array_equal(expectation_of(through_bytes(asked), 32, 3).windows[1], corners)
    for wrong in ({"windowed": np.array([2])}, {"windows": asked["windows"] + 1}, {"windows": asked["windows"][:, :2]}):
        with pytest.raises(ValueError, match="windows"):
            expectation_of(asked | wrong, 32, 3)


@pytest.mark.parametrize(
    "name, value",
    [
        ("landmarks_px", np.zeros((1, 32, 2), np.float32)),
        ("landmarks_px", np.full((1, 33, 2), np.nan, np.float32)),
        ("landmarks_mm", np.zeros((2, 33, 3), np.int16)),
        ("visibility", np.zeros((1, 33), np.uint8)),  # nothing is seen
        ("flag", np.full(1, np.nan, np.float32)),
        ("flag", np.zeros(2, np.float32)),
    ],
)
def test_landmarks_that_cannot_be_are_refused(name, value):
    sound = {
        "landmarks_px": np.full((1, 33, 2), 9.5, np.float32),
        "landmarks_mm": np.full((1, 33, 3), -500, np.int16),
        "visibility": np.full((1, 33), 200, np.uint8),
        "flag": np.ones(1, np.float32),
    }
    arrays = arrays_of_evidence(ViewEvidence()) | sound
    assert evidence_of(arrays, "keypoints", asking(2)).landmarks.place_m[0, 0, 0] == -0.5
    with pytest.raises(ValueError):
        evidence_of(arrays | {name: value}, "keypoints", asking(2))
    with pytest.raises(ValueError, match="up to 1 regions"):
        evidence_of(
            {key: np.concatenate([each, each]) for key, each in arrays.items() if each.ndim}
            | {"searched": np.bool_(False), "half": np.uint8(0)},
            "keypoints",
            asking(1),
        )


def test_expectations_that_cannot_be_are_refused():
    mask = np.zeros((32, 32), bool)
    mask[3:9, 4:] = True
    arrays = arrays_of_expectation(Expectation(regions_px=REGIONS, masks=(None, mask)))
    assert np.array_equal(expectation_of(through_bytes(arrays), 32).masks[1], mask)
    turned = arrays_of_expectation(Expectation(regions_px=REGIONS, turned_rad=np.array([np.nan, 0.5])))
    assert np.array_equal(expectation_of(through_bytes(turned), 32).turned_rad, [np.nan, 0.5], equal_nan=True)
    for value in (np.zeros(3), np.full(2, np.inf), np.zeros((2, 1))):
        with pytest.raises(ValueError, match="turns"):
            expectation_of(turned | {"turned_rad": value}, 32)
    for wrong in (
        {"search": np.uint8(9)},
        {"masked": np.array([2])},
        {"masks": arrays["masks"][:, :5]},
        {"regions_px": np.zeros((2, 3))},
        {"regions_px": np.full((2, 4), np.nan)},
        {"regions_px": np.array([[5, 5, 5, 9], [0, 0, 1, 1.0]])},
        {"regions_px": np.tile([0, 0, 1e9, 1e9], (2, 1))},
        {"regions_px": np.tile([0, 0, 1, 1.0], (1000, 1))},
    ):
        with pytest.raises(ValueError):
            expectation_of(arrays | wrong, 32)

"""Sequences of one scene at several rates, true boxes, seeds and names as they are written on a command line."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from refit_ros.camera.geometry import clipped
from refit_ros.estimation.settings import Settings
from refit_ros.evaluation import frames
from refit_ros.evaluation.people_suite import Selection, sequences, variants_named
from refit_ros.evaluation.seeds import CALIBRATION_SEEDS, REPORTING_SEEDS, TUNING_SEEDS, described, seeds_from
from refit_ros.evaluation.sequences import NEW_PLANS, OLD_PLANS, PLANS, Plan, plans_named, render_sequence

SHORT = Plan("short", "standing", cameras=1, length_s=0.4)


def test_every_rate_thins_the_same_images(tmp_path, monkeypatch):
    stores: dict = {}
    slow, quick = (render_sequence(SHORT, 3, rate_hz, stores, tmp_path) for rate_hz in (10, 30))
    assert (len(slow.truth), len(quick.truth)) == (4, 12) and slow.period_s == pytest.approx(0.1)
    assert np.array_equal(slow.images[1][0], quick.images[3][0])
    assert slow.truth[1] is quick.truth[3]
    scene = stores["standing", 1, 3].scene
    assert np.array_equal(slow.images[2][0], scene.render(0.2, 0))
    kept = sorted(path.name for path in tmp_path.rglob("*.png"))
    assert kept == ["00003-0.png", "00006-0.png"]  # what was looked at, and nothing else
    monkeypatch.setattr(type(scene), "render", lambda *_: pytest.fail("rendered again"))
    again = render_sequence(SHORT, 3, 10, None, tmp_path)
    assert np.array_equal(again.images[2][0], slow.images[2][0])
    assert [round(time_s, 6) for time_s, _, _ in slow.sets([])] == [0, 0.1, 0.2, 0.3]


def test_images_of_other_code_are_not_taken(tmp_path, monkeypatch):
    render_sequence(SHORT, 3, 10, None, tmp_path).images[0][0]
    monkeypatch.setattr(frames, "_drawing_version", lambda: "later")
    render_sequence(SHORT, 3, 10, None, tmp_path).images[0][0]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_rate_that_does_not_divide_is_told():
    with pytest.raises(ValueError, match="rate is 7 sets a second"):
        render_sequence(SHORT, 0, 7)


def test_the_true_box_holds_the_joints_and_is_none_where_nobody_is_seen():
    sequence = render_sequence(Plan("three people", "three_people", cameras=2, length_s=0.1))
    for camera, (calibration, pose) in enumerate(zip(sequence.calibrations, sequence.poses)):
        boxes = sequence.true_boxes(sequence.truth[0], camera).xyxy_px
        assert len(boxes) == 3
        for box, person in zip(boxes, sequence.truth[0]):
            pixels = calibration.project((person.joints - pose[:3, 3]) @ pose[:3, :3])
            assert (clipped(np.tile(pixels, 2), 640, 480) >= [*box[:2], 0, 0]).all()
            assert (clipped(np.tile(pixels, 2), 640, 480)[:, 2:] <= box[2:]).all()
    behind = type("Person", (), {"joints": sequence.truth[0][0].joints - 50 * sequence.poses[0][:3, 2]})
    assert sequence.true_box(behind, 0) is None


def test_seeds_are_written_as_ranges_and_known_by_kind():
    assert seeds_from("0-3,7,2") == [0, 1, 2, 3, 7]
    for wrong in ("", "3-1", "a", "-1", "1-"):
        with pytest.raises(ValueError, match="seeds are"):
            seeds_from(wrong)
    assert described([0, 100, 5000]) == "0 (tuned on), 100 (held out), 5000 (neither)"
    assert not set(REPORTING_SEEDS) & (set(TUNING_SEEDS) | set(CALIBRATION_SEEDS))


def test_scenes_and_variants_go_by_name():
    assert plans_named(["old"]) == OLD_PLANS and plans_named(["all"]) == PLANS
    assert plans_named(["one_walking", "one walking", "new"]) == (OLD_PLANS[0], *NEW_PLANS)
    with pytest.raises(ValueError, match="no scene 'moon'; there are old, new, all, one_walking"):
        plans_named(["moon"])
    assert list(variants_named(["no_fusion"], Settings())) == ["no fusion"]
    with pytest.raises(ValueError, match="no variant 'no legs'"):
        variants_named(["no legs"], Settings())


def test_a_selection_is_every_combination():
    chosen = Selection(plans=(SHORT,), seeds=(1, 2), rates_hz=(10, 30), cameras=2)
    found = [(seed, sequence.rate_hz, len(sequence.calibrations)) for seed, sequence in sequences(chosen)]
    assert found == [(1, 10, 2), (1, 30, 2), (2, 10, 2), (2, 30, 2)]


def test_two_who_render_the_same_at_once_do_not_hinder_each_other(tmp_path, monkeypatch):
    """The second one is whole before the first one has its name."""
    stores = [frames.FrameStore("standing", 1, 0, tmp_path) for _ in range(2)]
    encode, images = cv2.imencode, []

    def meanwhile(*given):
        monkeypatch.setattr(cv2, "imencode", encode)
        replace = os.replace

        def late(*names):
            monkeypatch.setattr(os, "replace", replace)
            images.append(stores[1].image(0, 0))
            replace(*names)

        monkeypatch.setattr(os, "replace", late)
        return encode(*given)

    monkeypatch.setattr(cv2, "imencode", meanwhile)
    images.append(stores[0].image(0, 0))
    assert np.array_equal(*images) and len(list(tmp_path.rglob("*.png"))) == 1 and not list(tmp_path.rglob("*part*"))

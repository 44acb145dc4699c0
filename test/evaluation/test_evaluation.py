"""The people suite over a network that knows the truth: the measures measure, and fusing is worth its while."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from oracle import Actor, Oracle, Stage, ring

from refit_ros.estimation.settings import Settings
from refit_ros.evaluation import people_suite as evaluation
from refit_ros.evaluation.sequences import BUMPED, Plan, SyntheticSequence
from refit_ros.evaluation.tables import COLUMNS, table
from refit_ros.evaluation.tracking_metrics import TrackingMetrics


class Staged(SyntheticSequence):
    """A sequence whose oracle is told what time it is."""

    def sets(self, *args, **kwargs):
        for time_s, views, truth in super().sets(*args, **kwargs):
            self.stage.time_s = time_s
            yield time_s, views, truth


def staged(actors, count=4, sets=30, **plan) -> Staged:
    stage = Stage(actors, ring(count))
    truth = []
    for number in range(sets):
        stage.time_s = number / 10
        truth.append(tuple(SimpleNamespace(id=10 + a, joints=stage.pose(a)[2]) for a in range(len(actors))))
    calibrations, poses = zip(*stage.cameras)
    image = np.zeros((480, 640, 3), np.uint8)
    sequence = Staged(Plan("test", "none", count, **plan), calibrations, poses, ((image,) * count,) * sets, tuple(truth))
    object.__setattr__(sequence, "stage", stage)
    return sequence


TWO = (Actor((-1.2, -0.2), (0.8, 0), 1), Actor((1.2, 0.3), (-0.8, 0), 2))
SETTINGS = Settings(detector="topic")


def play(sequence, settings=SETTINGS, cameras=None, **noise):
    return evaluation.play(Oracle(sequence.stage, **noise), settings, sequence, cameras)


def test_crossing_without_a_mistake_and_fusion_worth_it():
    sequence = staged(TWO)
    full = play(sequence)
    assert full["id_switches"] == 0 and full["wrong_crops"] == 0 and full["idf1"] > 0.95
    single = evaluation.best_single_camera(Oracle(sequence.stage), SETTINGS, sequence)
    assert full["pelvis_m"] < single["pelvis_m"] / 3
    assert full["jitter_mm"] < play(sequence, Settings(detector="topic", smoothing=0.0))["jitter_mm"]


def test_truth_measures_as_truth():
    figures = play(staged(TWO[:1]), Settings(detector="topic", smoothing=0.0), angle_rad=0, pixels=0, depth=0)
    assert figures["mpjpe_mm"] < 40 and figures["pelvis_m"] < 0.02 and abs(figures["lag_ms"]) < 10


def test_lag_is_seen():
    sequence = staged(TWO[:1])
    metrics = TrackingMetrics(sequence)
    from refit_ros.estimation.estimator import Estimator

    estimator = Estimator(Oracle(sequence.stage, angle_rad=0, pixels=0, depth=0), Settings(detector="topic", smoothing=0.0))
    late = None
    for time_s, views, truth in sequence.sets(true_boxes=True):
        people = estimator.estimate(views)
        if late is not None:
            metrics.take(time_s, late, truth)
        late = people
    assert metrics.figures()["lag_ms"] == pytest.approx(100, abs=15)


def test_a_bumped_camera_is_named_and_a_lost_one_costs_little():
    bumped = play(staged(TWO[:1], sets=50, bumped_s=1.0))
    assert bumped["moved"] == [f"cam{BUMPED}"] and bumped["id_switches"] == 0
    lost = play(staged(TWO[:1], lost_s=(1.0, 2.0)))
    assert lost["images"] == 4 * 30 - 10 and lost["idf1"] > 0.95


def test_the_table_holds_every_column_and_says_which_seeds_were_held_out():
    figures = play(staged(TWO[:1], sets=8))
    rows = [{"scene": "test", "seed": seed, "rate_hz": 10.0, "variant": "full", **figures} for seed in (1, 100)]
    lines = table(rows).splitlines()
    assert lines[0] == "Seeds: 1 (tuned on), 100 (held out)."
    assert [line.count("|") for line in lines[2:]] == [len(COLUMNS) + 4] * 3  # title, rule, the one scene
    assert f"| {2 * rows[0]['images']} |" in lines[4]  # both seeds together

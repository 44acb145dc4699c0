"""The people suite over a network that knows the truth: the measures measure, and fusing is worth its while."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from oracle import Actor, Oracle, Stage, ring

from refit_ros.estimation.settings import Settings
from refit_ros.evaluation import people_suite as evaluation
from refit_ros.evaluation.sequences import BUMPED, Plan, Rehearsal
from refit_ros.evaluation.tracking_metrics import Tally, aligned

pytest.importorskip("motmetrics")


class Staged(Rehearsal):
    """A rehearsal whose oracle is told what time it is."""

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
    picture = np.zeros((480, 640, 3), np.uint8)
    rehearsal = Staged(Plan("test", "none", count, **plan), calibrations, poses, ((picture,) * count,) * sets, tuple(truth))
    object.__setattr__(rehearsal, "stage", stage)
    return rehearsal


TWO = (Actor((-1.2, -0.2), (0.8, 0), 1), Actor((1.2, 0.3), (-0.8, 0), 2))
SETTINGS = Settings(detector="topic")


def play(rehearsal, settings=SETTINGS, cameras=None, **noise):
    return evaluation.play(Oracle(rehearsal.stage, **noise), settings, rehearsal, cameras)


def test_crossing_without_a_mistake_and_fusion_worth_it():
    rehearsal = staged(TWO)
    full = play(rehearsal)
    assert full["id_switches"] == 0 and full["wrong_matches"] == 0 and full["idf1"] > 0.95
    single = evaluation.best_single_camera(Oracle(rehearsal.stage), SETTINGS, rehearsal)
    assert full["pelvis_m"] < single["pelvis_m"] / 3
    assert full["jitter_mm"] < play(rehearsal, Settings(detector="topic", smoothing=0.0))["jitter_mm"]


def test_truth_measures_as_truth():
    figures = play(staged(TWO[:1]), Settings(detector="topic", smoothing=0.0), angle_rad=0, pixels=0, depth=0)
    assert figures["mpjpe_mm"] < 40 and figures["pelvis_m"] < 0.02 and abs(figures["lag_ms"]) < 10


def test_lag_is_seen():
    rehearsal = staged(TWO[:1])
    tally = Tally(rehearsal)
    from refit_ros.estimation.estimator import Estimator

    estimator = Estimator(Oracle(rehearsal.stage, angle_rad=0, pixels=0, depth=0), Settings(detector="topic", smoothing=0.0))
    late = None
    for time_s, views, truth in rehearsal.sets(true_boxes=True):
        people = estimator.estimate(views)
        if late is not None:
            tally.take(time_s, late, truth)
        late = people
    assert tally.figures()["lag_ms"] == pytest.approx(100, abs=15)


def test_a_bumped_camera_is_named_and_a_lost_one_costs_little():
    bumped = play(staged(TWO[:1], sets=50, bumped_s=1.0))
    assert bumped["moved"] == [f"cam{BUMPED}"] and bumped["id_switches"] == 0
    lost = play(staged(TWO[:1], lost_s=(1.0, 2.0)))
    assert lost["pictures"] == 4 * 30 - 10 and lost["idf1"] > 0.95


def test_alignment_undoes_a_similarity():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(24, 3))
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    assert np.allclose(aligned(0.7 * points @ q.T + [1, 2, 3], points), points)
    assert not np.allclose(aligned(points * [1, 1, -1], points), points, atol=0.1)  # a mirror image is not the same


def test_rows_hold_every_column():
    figures = play(staged(TWO[:1], sets=8))
    line = evaluation.row("scene", "full", figures)
    assert line.count("|") == len(evaluation.COLUMNS) + 3

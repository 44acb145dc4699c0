"""Sigma means what it says once it is fitted, and grows where less is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from oracle import Actor, Oracle
from test_evaluation import staged

from refit_ros.estimation.evidence import Evidence
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.uncertainty import LARGEST_M, joint_stddev
from refit_ros.evaluation.calibrate_uncertainty import Samples, collect, coverage, fit


def test_fitted_on_some_people_it_holds_for_others():
    settings = Settings(detector="topic")
    groups: list[dict[int, Samples]] = [{}, {}]
    for seed in range(4):
        rehearsal = staged((Actor((-1, 0.3 * seed - 0.5), (0.6, 0.1), seed),), sets=25)
        for cameras in ([0], [1, 2], [0, 1, 2, 3]):
            network = Oracle(rehearsal.stage, seed=seed)
            collect(network, settings, rehearsal, cameras, groups[seed % 2])
    share, gains = fit(groups[0])
    assert set(gains) == {1, 2, 3}
    one, two = np.mean([coverage(group, share, gains[views]) for views, group in groups[1].items()], axis=0)
    assert 0.5 < one < 0.86 and 0.85 < two <= 1.0


def test_grows_with_what_is_not_known():
    facts = Evidence(views=3, spread_m=0.02, update_m=np.full(24, 0.01), depth_m=4.0, confidence=0.9, crowded=0.1)
    base = joint_stddev(facts)
    assert base.shape == (24,) and (base > 0).all()
    assert (joint_stddev(replace(facts, spread_m=0.1)) >= base).all()
    assert (joint_stddev(replace(facts, crowded=0.8)) > base).all()
    assert (joint_stddev(facts, unseen_s=0.5) > base).all()
    assert joint_stddev(replace(facts, views=1, spread_m=1e9, depth_m=1e9)).max() <= LARGEST_M

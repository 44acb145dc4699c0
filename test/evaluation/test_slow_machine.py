"""Three sets a second, and answers that come 300 ms late: one walking person stays one person, and where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refit_ros.core.checkpoint import load_network
from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.root import predicted
from refit_ros.evaluation.player import played
from refit_ros.evaluation.sequences import plans_named, render_sequence

RATE_HZ, LATENCY_S, SETTLED_S = 3.0, 0.3, 1.0


def test_one_walking_person_keeps_one_id_and_is_predicted_to_now():
    plan = replace(plans_named(["one_walking"])[0], cameras=2, length_s=5.0)
    scene: dict = {}
    sequence = render_sequence(plan, 0, RATE_HZ, scene)
    often = render_sequence(plan, 0, 30.0, scene).truth  # images are drawn only when they are looked at
    ids, at_capture_m, predicted_m, held_m = set(), [], [], []
    for time_s, people, truth in played(Estimator(load_network()), sequence):
        later = round(30 * (time_s + LATENCY_S))
        for person in people.people:
            ids.add(person.id)
            if time_s < SETTLED_S or later >= len(often):
                continue
            by_then = next(one for one in predicted(people, LATENCY_S).people if one.id == person.id)
            at_capture_m.append(np.linalg.norm(person.joints[0] - np.asarray(truth[0].joints)[0]))
            true_later = np.asarray(often[later][0].joints)[0]
            predicted_m.append(np.linalg.norm(by_then.joints[0] - true_later))
            held_m.append(np.linalg.norm(person.joints[0] - true_later))
    assert len(ids) == 1
    assert np.mean(at_capture_m) < 0.06
    assert np.mean(predicted_m) < 0.7 * np.mean(held_m)  # less than what the person walked meanwhile

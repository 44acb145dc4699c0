"""Fits the constants of joint_stddev on held-out synthetic scenes.

    python -m refit_ros.people.calibrate_uncertainty [--seeds 3]

Prints the table that refit_ros/people/uncertainty.py holds, and how many true joints lie within one and two sigma.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from refit_ros.people.estimator import Estimator
from refit_ros.people.measure import SAME_M, SETTLED_S
from refit_ros.people.rehearsal import Plan, Rehearsal, rehearse
from refit_ros.people.settings import Settings

FIRST_SEED = 1000  # the suite's own scenes are of other seeds
PLANS = (Plan("walking", "walking"), Plan("crossing", "crossing"), Plan("three people", "three_people"))
SUBSETS = ([0], [2], [0, 1], [1, 3], [0, 1, 2], [0, 1, 2, 3])
ONE, TWO = 0.68, 0.945  # wanted shares within one and two sigma
TERMS = ("floor_m", "spread_gain", "update_gain", "depth_gain")


@dataclass
class Samples:
    """Of one number of views: each row a person in a set."""

    error_m: list = field(default_factory=list)  # (24,)
    terms: list = field(default_factory=list)  # (24, 4): 1, spread, update, depth


def collect(network, settings: Settings, rehearsal: Rehearsal, cameras: list[int], into: dict[int, Samples]) -> None:
    """Adds one run's errors."""
    estimator = Estimator(network, settings)
    for time_s, views, truth in rehearsal.sets(cameras, true_boxes=settings.detector == "topic"):
        people = estimator.estimate(views)
        for person in people.people if time_s >= SETTLED_S else ():
            facts = estimator.evidence.get(person.id)
            errors = [np.linalg.norm(person.joints - np.asarray(true.joints), axis=-1) for true in truth]
            best = min(errors, key=np.mean, default=None)
            if facts is None or best is None or best.mean() > SAME_M:
                continue
            samples = into.setdefault(min(max(facts.views, 1), 3), Samples())
            samples.error_m.append(best)
            samples.terms.append(
                np.stack([np.ones(24), np.full(24, facts.spread_m), facts.update_m, np.full(24, facts.depth_m)], 1)
            )


def fit(samples: dict[int, Samples]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Each joint's share (24,) and for each number of views the four gains."""
    errors = {views: np.array(group.error_m) for views, group in samples.items()}
    relative = np.concatenate([error / np.sqrt((error**2).mean()) for error in errors.values()])
    share = np.sqrt((relative**2).mean(0))
    gains = {}
    for views, group in sorted(samples.items()):
        terms, error = np.array(group.terms), errors[views] / share
        # Fitted on capped squares: a few people mistaken altogether must not set the scale of all others.
        squares = np.minimum(error, np.quantile(error, 0.95)) ** 2
        # Each row weighs in relation to its size, so that the near and sure count as much as the far and unsure.
        weight = 1 / (terms[..., 0] * np.median(squares) + squares.mean(1, keepdims=True))
        value, _ = nnls((weight[..., None] * terms**2).reshape(-1, 4), (weight * squares).ravel())
        sigma = np.sqrt(terms**2 @ value)
        ratio = error / sigma
        scales = np.geomspace(0.3, 4, 400)
        miss = [abs((ratio <= k).mean() - ONE) / 0.08 + abs((ratio <= 2 * k).mean() - TWO) / 0.04 for k in scales]
        gains[views] = np.sqrt(value) * scales[int(np.argmin(miss))]
    return share, gains


def coverage(samples: Samples, share: np.ndarray, gains: np.ndarray) -> tuple[float, float]:
    """Shares of true joints within one and two sigma."""
    sigma = share * np.sqrt(np.array(samples.terms) ** 2 @ gains**2)
    error = np.array(samples.error_m)
    return float((error <= sigma).mean()), float((error <= 2 * sigma).mean())


def main() -> int:
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="scenes of each kind (default: 3)")
    parser.add_argument("--weights", help="other weights than the embedded ones")
    parser.add_argument("--true-boxes", action="store_true", help="boxes from the truth instead of the builtin detector")
    args = parser.parse_args()
    network = prepare(load_network(args.weights))
    settings = Settings(detector="topic" if args.true_boxes else "builtin")
    train, test = {}, {}
    for seed in range(args.seeds):
        for plan in PLANS:
            rehearsal = rehearse(plan, FIRST_SEED + seed)
            for subset in SUBSETS:
                collect(network, settings, rehearsal, subset, test if args.seeds > 1 and seed == args.seeds - 1 else train)
            print(f"seed {seed}, {plan.title}: {sum(len(group.error_m) for group in train.values())} people", flush=True)
    share, gains = fit(train)
    for views, group in sorted((test or train).items()):
        one, two = coverage(group, share, gains[views])
        print(f"held out, {views} views, {len(group.error_m)} people: {one:.1%} within one sigma, {two:.1%} within two")
    print("CONSTANTS = {")
    for views, values in gains.items():
        print(f"    {views}: Constants({', '.join(f'{name}={value:.4f}' for name, value in zip(TERMS, values))}),")
    print("}\nJOINT_SHARE = np.array([" + ", ".join(f"{value:.2f}" for value in share) + "])")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

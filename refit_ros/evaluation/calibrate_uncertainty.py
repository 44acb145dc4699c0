"""Fits the constants of joint_stddev on held-out synthetic scenes.

    python -m refit_ros.evaluation.calibrate_uncertainty [--seeds 12]

Prints the table that refit_ros/estimation/uncertainty.py holds, and how many true joints lie within one and two sigma.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.optimize import minimize

from refit_ros.estimation.estimator import Estimator
from refit_ros.estimation.settings import Settings
from refit_ros.estimation.uncertainty import Constants, terms
from refit_ros.evaluation.matching import distances_m, match
from refit_ros.evaluation.player import played
from refit_ros.evaluation.seeds import CALIBRATION_SEEDS
from refit_ros.evaluation.sequences import Plan, SyntheticSequence, render_sequence
from refit_ros.evaluation.tracking_metrics import SETTLED_S

LENGTH_S = 2.0  # many people for a short time tell more than a few for long: each errs in an own way all the time
SCENES = ("walking", "crossing", "three_people", "standing", "half_out")
PLANS = tuple(Plan(scene, scene, length_s=LENGTH_S) for scene in SCENES)
SUBSETS = ([0], [2], [0, 1], [1, 3], [0, 1, 2], [0, 1, 2, 3])
FREEDOM = 4.0  # of the t distribution
ONE, TWO = 0.68, 0.945  # wanted shares within one and two sigma


@dataclass
class Samples:
    """Of one number of views: each row a person in a set."""

    error_m: list = field(default_factory=list)  # (24,)
    terms: list = field(default_factory=list)  # (24, 5), as refit_ros.estimation.uncertainty.terms
    scenes: list = field(default_factory=list)  # which scene


def collect(network, settings: Settings, sequence: SyntheticSequence, cameras: list[int], into: dict[int, Samples]) -> None:
    """Adds one run's errors."""
    estimator = Estimator(network, settings)
    for time_s, people, truth in played(estimator, sequence, cameras):
        if time_s < SETTLED_S:
            continue
        exact = [np.asarray(true.joints, float) for true in truth]
        for row, column in match(distances_m([person.joints for person in people.people], exact)):
            facts = estimator.evidence.get(people.people[row].id)
            if facts is None:
                continue
            samples = into.setdefault(min(max(facts.views, 1), 3), Samples())
            samples.error_m.append(np.linalg.norm(people.people[row].joints - exact[column], axis=-1))
            samples.terms.append(terms(facts))
            samples.scenes.append(sequence.plan.title)


def fit(samples: dict[int, Samples]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Each joint's share (24,) and for each number of views the five gains."""
    errors = {views: np.array(group.error_m) for views, group in samples.items()}
    relative = np.concatenate([error / np.sqrt((error**2).mean()) for error in errors.values()])
    share = np.sqrt((relative**2).mean(0))
    gains = {}
    for views, group in sorted(samples.items()):
        known, error = np.array(group.terms) ** 2, errors[views] / share
        weight = _balanced(group.scenes)[:, None]
        value = _likeliest(known, error**2, weight)
        ratio = error / np.sqrt(known @ value)
        scales = np.geomspace(0.3, 4, 400)
        within = [[float((weight * (ratio <= times * k)).sum() / 24) for times in (1, 2)] for k in scales]
        miss = [abs(one - ONE) / 0.08 + abs(two - TWO) / 0.04 for one, two in within]
        gains[views] = np.sqrt(value) * scales[int(np.argmin(miss))]
    return share, gains


def _balanced(scenes: list[str]) -> np.ndarray:
    """(N,) weights, in all 1: every scene counts as much as every other, however many people are in it."""
    names, number = np.unique(scenes, return_inverse=True)
    return 1 / np.bincount(number)[number] / len(names)


def _likeliest(known: np.ndarray, squares: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(5,) >= 0 by which known (N, 24, 5) gives the variances under which squares (N, 24) are likeliest.

    Under Student's t of three dimensions, whose heavy tails keep a few people who were mistaken altogether from
    setting the scale of all others.
    """
    typical = np.median(squares)
    unit = typical / np.maximum(np.quantile(known, 0.9, axis=(0, 1)), 1e-12)  # each term alone would explain it

    def unlikely(root: np.ndarray) -> tuple[float, np.ndarray]:
        variance = known @ (root**2 * unit) + 1e-4 * typical
        ratio = squares / variance
        loss = weight * (3 * np.log(variance) + (FREEDOM + 3) * np.log1p(ratio / FREEDOM))
        slope = weight * (3 - (FREEDOM + 3) * ratio / (FREEDOM + ratio)) / variance
        return float(loss.sum()), 2 * root * unit * np.einsum("nj,njk->k", slope, known)

    return minimize(unlikely, np.full(known.shape[-1], 0.5), jac=True).x ** 2 * unit


def coverage(samples: Samples, share: np.ndarray, gains: np.ndarray, scene: str = "") -> tuple[float, float]:
    """Shares of true joints within one and two sigma, of one scene or of all."""
    mine = [index for index, title in enumerate(samples.scenes) if scene in ("", title)]
    sigma = share * np.sqrt(np.array(samples.terms)[mine] ** 2 @ gains**2)
    error = np.array(samples.error_m)[mine]
    return float((error <= sigma).mean()), float((error <= 2 * sigma).mean())


def main() -> int:
    from refit_ros.core.checkpoint import load_network
    from refit_ros.core.inference import prepare

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="scenes of each kind, 15 at most, every third held out (12)")
    parser.add_argument("--weights", help="other weights than the embedded ones")
    parser.add_argument("--true-boxes", action="store_true", help="boxes from the truth instead of the builtin detector")
    args = parser.parse_args()
    network = prepare(load_network(args.weights))
    settings = Settings(detector="topic" if args.true_boxes else "builtin")
    train, test = {}, {}
    for seed in CALIBRATION_SEEDS[: args.seeds]:
        stores: dict = {}
        for plan in PLANS:
            sequence = render_sequence(plan, seed, stores=stores)
            for subset in SUBSETS:
                collect(network, settings, sequence, subset, test if CALIBRATION_SEEDS.index(seed) % 3 == 2 else train)
            print(f"seed {seed}, {plan.title}: {sum(len(group.error_m) for group in train.values())} people", flush=True)
    share, gains = fit(train)
    for views, group in sorted((test or train).items()):
        one, two = coverage(group, share, gains[views])
        print(f"held out, {views} views, {len(group.error_m)} people: {one:.1%} within one sigma, {two:.1%} within two")
        for scene in sorted(set(group.scenes)):
            one, two = coverage(group, share, gains[views], scene)
            print(f"    {scene}: {one:.1%}, {two:.1%}")
    print("CONSTANTS = {")
    for views, values in gains.items():
        named = ", ".join(f"{entry.name}={value:.4f}" for entry, value in zip(fields(Constants), values))
        print(f"    {views}: Constants({named}),")
    print("}\nJOINT_SHARE = np.array([" + ", ".join(f"{value:.2f}" for value in share) + "])")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The synthetic test set: what the network and each of its ideas reach on it."""

from __future__ import annotations

import sys

import torch

from refit_ros.core.body import Body
from refit_ros.core.refit import Features, Refit
from refit_ros.core.rotations import nearest_rotmat
from refit_ros.core.types import Estimate
from refit_ros.training.data import Batch, batch_of_samples
from refit_ros.training.held_out import FOUR_VIEW_SETS, SINGLE_CROPS, held_out
from refit_ros.training.measure import averaged, encoded, error_of_each_joint, errors, estimates, first_views, some_views

ITERATIONS = (0, 1, 2, 3, 5, 10)
MEAN_POSE_SAMPLES = 2000


def synthetic_sets(
    body: Body, image_size: int, device: torch.device, singles: int = SINGLE_CROPS, sets: int = FOUR_VIEW_SETS
) -> tuple[Batch, Batch]:
    """The held-out single crops and four-view sets, on the CPU."""
    return held_out(body, image_size, singles, 1, device), held_out(body, image_size, sets, 4, device)


def evaluate_synthetic(network: Refit, body: Body, singles: Batch, sets: Batch, device: torch.device) -> dict:
    """Every row of the results that one network gives. body: on the CPU; errors in mm, shares of 1."""
    return (
        {"crops": len(singles), "sets": len(sets) // 4, "iterations": network.config.iterations}
        | evaluate_singles(network, body, singles, device)
        | evaluate_sets(network, body, sets, device)
    )


def evaluate_singles(network: Refit, body: Body, singles: Batch, device: torch.device) -> dict:
    """The trivial answer, each iteration, each joint, known shape."""
    features, usual = encoded(network, singles, device), network.config.iterations
    history = estimates(network, singles, device, max(ITERATIONS), features=features)
    known = estimates(network, singles, device, known_shape=True, features=features)[-1]
    return {
        "trivial": errors(trivial(singles, body, network.config.image_size), singles, body),
        "single": {
            str(step): _told(f"single view, iteration {step}", errors(history[step], singles, body))
            for step in ITERATIONS
            if step < len(history)
        },
        "single_joints_mm": error_of_each_joint(history[usual], singles, body),
        "single_known_shape": errors(known, singles, body, surface=False),
    }


def evaluate_sets(network: Refit, body: Body, sets: Batch, device: torch.device) -> dict:
    """One to four views, averaged and together, and four with a known shape."""
    features = encoded(network, sets, device)
    alone = estimates(network, sets, device, features=features)[-1]
    views = {
        str(count): _told(f"{count} views", _views(network, sets, features, alone, count, body, device))
        for count in (1, 2, 3, 4)
    }
    known = estimates(network, sets, device, multi_view=True, known_shape=True, features=features)[-1]
    return {
        "views": views,
        "four_views_known_shape": _told("four views, known shape", errors(known, sets, body, surface=False)),
    }


def evaluate_variant(network: Refit, body: Body, singles: Batch, sets: Batch, device: torch.device) -> dict:
    """The rows that an ablation needs."""
    history = estimates(network, singles, device)
    return {
        "single": {str(step): errors(estimate, singles, body, surface=False) for step, estimate in enumerate(history)},
        "four_views": errors(estimates(network, sets, device, multi_view=True)[-1], sets, body, surface=False),
    }


def _views(
    network: Refit, sets: Batch, features: Features, alone: Estimate, count: int, body: Body, device: torch.device
) -> dict:
    """Of the first `count` views of each set: what each finds alone, their average, and what they find together."""
    batch, kept, usual = some_views(sets, count), first_views(sets, count), network.config.iterations
    alone = Estimate(alone.rotmats[kept], alone.betas[kept], alone.weak_perspective[kept], alone.transl[kept])
    features = Features(features.maps[kept], features.pooled[kept])
    together = estimates(network, batch, device, 2 * usual, multi_view=True, features=features)
    found = {
        "single": alone,
        "averaged": averaged(alone, batch),
        "multi_view": together[usual],
        "multi_view_twice_the_iterations": together[-1],
    }
    return {name: errors(estimate, batch, body, surface=False) for name, estimate in found.items()}


def trivial(batch: Batch, body: Body, image_size: int) -> Estimate:
    """What knows nothing but orientation and shape: the mean pose of the training set, true orientation, shape and place."""
    from refit_ros.synthetic.samples import SampleSource

    source, total, count = SampleSource(body, image_size, "train", 1, "cpu"), torch.zeros(24, 3, 3), 0
    while count < min(MEAN_POSE_SAMPLES, 4 * len(batch)):
        samples = batch_of_samples(source.batch(100))
        total += samples.rotmats.sum(0)
        count += len(samples)
    rotmats = nearest_rotmat(total / count).repeat(len(batch), 1, 1, 1)
    rotmats[:, 0] = batch.rotmats[:, 0]
    nothing = torch.zeros(len(batch), 3)
    return Estimate(rotmats, batch.betas, nothing, batch.transl)


def _told(what: str, measured: dict) -> dict:
    shown = measured.get("multi_view", measured)
    print(f"{what}: {shown['mpjpe_mm']:.1f} mm MPJPE, {shown['pa_mpjpe_mm']:.1f} mm PA-MPJPE", file=sys.stderr, flush=True)
    return measured

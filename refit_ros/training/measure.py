"""Run a network over held-out crops, and measure what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from refit_ros.core.body import Body
from refit_ros.core.refit import Features, Refit
from refit_ros.core.rotations import mean_rotmat
from refit_ros.core.types import Estimate, Fit
from refit_ros.evaluation import metrics
from refit_ros.training.data import Batch

CHUNK = 200


def estimates(
    network: Refit,
    batch: Batch,
    device: torch.device | str,
    iterations: int | None = None,
    multi_view: bool = False,
    known_shape: bool = False,
    start: Estimate | None = None,
    features: Features | None = None,
) -> list[Estimate]:
    """Every iteration's estimates of all crops, on the CPU. With multi_view, sets must not straddle chunks: see `chunks`.

    features: what `encoded` made of the same crops, where several fits share them.
    """
    histories: list[Fit] = []
    for rows, part in chunks(batch):
        part = part.to(device)
        with torch.no_grad():
            seen = network.encode(part.images) if features is None else _features(features, rows, device)
            fit = network.fit(
                seen,
                part.crops,
                views=part.views if multi_view else None,
                betas=part.betas if known_shape else None,
                start=None if start is None else _rows(start, rows).to(device),
                iterations=iterations,
            )
        histories.append(Fit(fit.estimate.to("cpu"), tuple(estimate.to("cpu") for estimate in fit.history)))
    return [_joined([history.history[index] for history in histories]) for index in range(len(histories[0].history))]


def encoded(network: Refit, batch: Batch, device: torch.device | str) -> Features:
    """The features of all crops, on the CPU, the maps in half precision: the slow part, done once for many fits."""
    maps, pooled = [], []
    for _, part in chunks(batch):
        with torch.no_grad():
            features = network.encode(part.images.to(device))
        maps.append(features.maps.half().cpu())
        pooled.append(features.pooled.cpu())
    return Features(torch.cat(maps), torch.cat(pooled))


def _features(features: Features, rows: slice, device: torch.device | str) -> Features:
    return Features(features.maps[rows].to(device).float(), features.pooled[rows].to(device))


def chunks(batch: Batch) -> Iterator[tuple[slice, Batch]]:
    """Parts of whole people. Crops of one person stand together, as many for each (`held_out`)."""
    per_person = int((batch.person == batch.person[0]).sum())
    size = CHUNK // per_person * per_person
    for start in range(0, len(batch), size):
        rows = slice(start, start + size)
        yield rows, batch.rows(rows)


def errors(
    estimate: Estimate, batch: Batch, body: Body, surface: bool = True, regressor: Tensor | None = None
) -> dict[str, float]:
    """MPJPE, PA-MPJPE, PVE (mm), flips and depth error (shares) of B estimates, all on the CPU.

    regressor (J, V): joints taken from the mesh instead of the tree's, as the 14-joint protocols of 3DPW and Human3.6M.
    """
    collected: dict[str, list[Tensor]] = {}
    for start in range(0, len(batch), CHUNK):
        rows = slice(start, start + CHUNK)
        part = _errors_of(_rows(estimate, rows), batch.rows(rows), body, surface, regressor)
        for name, value in part.items():
            collected.setdefault(name, []).append(value)
    return {name: round(float(torch.cat(values).float().mean()), 4) for name, values in collected.items()}


def _errors_of(estimate: Estimate, batch: Batch, body: Body, surface: bool, regressor: Tensor | None) -> dict[str, Tensor]:
    joints_m, truth_m = body.joints(estimate.betas, estimate.rotmats), batch.joints_m
    measured = {}
    if surface or regressor is not None:
        vertices, true_vertices = body.vertices(estimate.betas, estimate.rotmats), body.vertices(batch.betas, batch.rotmats)
        true_joints = body.joints(batch.betas, batch.rotmats)
        measured["pve_mm"] = 1000 * metrics.vertex_error(vertices, joints_m, true_vertices, true_joints)
    depth_m, true_depth_m = joints_m[:, 0, 2] + estimate.transl[:, 2], truth_m[:, 0, 2]
    measured["depth_error"] = (depth_m / true_depth_m - 1).abs()
    measured["flips"] = metrics.flipped(estimate.rotmats, batch.rotmats)
    if regressor is not None:
        joints_m, truth_m = metrics.fourteen_joints(regressor, vertices), metrics.fourteen_joints(regressor, true_vertices)
        measured["mpjpe_mm"] = 1000 * metrics.joint_error(joints_m, truth_m, root=None)
    else:
        measured["mpjpe_mm"] = 1000 * metrics.joint_error(joints_m, truth_m)
    measured["pa_mpjpe_mm"] = 1000 * metrics.aligned_joint_error(joints_m, truth_m)
    return measured


def error_of_each_joint(estimate: Estimate, batch: Batch, body: Body) -> list[float]:
    """24 mean distances in mm, pelvis at the origin."""
    off = metrics.distances(body.joints(estimate.betas, estimate.rotmats), batch.joints_m)
    return [round(value, 1) for value in (1000 * off.mean(0)).tolist()]


def averaged(estimate: Estimate, batch: Batch) -> Estimate:
    """Each person's single-view estimates averaged after the fact: shape, joints on SO(3), orientation in the world."""
    people = int(batch.person.max()) + 1
    world = estimate.rotmats.clone()
    world[:, 0] = batch.camera_from_world.transpose(1, 2) @ estimate.rotmats[:, 0]
    mean = mean_rotmat(world, batch.person, people)[batch.person]
    mean[:, 0] = batch.camera_from_world @ mean[:, 0]
    counts = torch.bincount(batch.person, minlength=people)[:, None]
    betas = torch.zeros(people, 10).index_add(0, batch.person, estimate.betas) / counts
    return Estimate(mean, betas[batch.person], estimate.weak_perspective, estimate.transl)


def some_views(batch: Batch, views: int) -> Batch:
    """The first `views` views of each person of a batch whose people have as many each."""
    return batch.rows(first_views(batch, views))


def first_views(batch: Batch, views: int) -> Tensor:
    """(B,) bool: is this crop one of the first `views` of its person?"""
    per_person = int((batch.person == batch.person[0]).sum())
    return torch.arange(len(batch)) % per_person < views


def _rows(estimate: Estimate, rows: slice) -> Estimate:
    return _mapped(estimate, lambda value: value[rows])


def _mapped(estimate: Estimate, change: Callable[[Tensor], Tensor]) -> Estimate:
    return Estimate(
        change(estimate.rotmats), change(estimate.betas), change(estimate.weak_perspective), change(estimate.transl)
    )


def _joined(parts: list[Estimate]) -> Estimate:
    return Estimate(
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("rotmats", "betas", "weak_perspective", "transl"))
    )

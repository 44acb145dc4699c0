"""`evaluate --suite evidence`: drawn landmarks of held-out people through the keypoint network and a fit's last step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from refit_ros.camera.calibration import Calibration
from refit_ros.camera.views import Camera
from refit_ros.core.keypoints import KeypointRefit
from refit_ros.core.landmarks import layout_indices
from refit_ros.estimation.keypoint_sightings import Sighting
from refit_ros.estimation.keypoints import KeypointSolver
from refit_ros.evaluation.metrics import aligned_joint_error, joint_error
from refit_ros.synthetic.captured_poses import CapturedPoses
from refit_ros.synthetic.evidence import EvidenceSamples, EvidenceSource

SEED = 20_240_101  # of the held-out people
VIEWS = (1, 2, 4)
AGES_M = ((0.9, 1.3), (1.3, 1.5), (1.5, 2.2))  # heights that are told apart
WITHIN = 0.1  # of the true height
TOGETHER = 25  # people fitted in one batch
_LAYOUT = "blazepose"
_LEAST_VISIBLE = 1e-3  # a view of somebody must show something: what other layouts have besides is left out here


def evaluate_evidence(network: KeypointRefit, people: int, captured: CapturedPoses | None = None) -> list[dict]:
    """Errors of `people` people seen by 1, 2 and 4 cameras, of the test split; with `captured`, in its poses.

    Joints about the pelvis, mm, of the published body (`KeypointSolver`); heights of it, by how tall people are.
    """
    solver, rows = KeypointSolver(network), []
    for views in VIEWS:
        samples = EvidenceSource(network.body.to("cpu"), "test", SEED + views, captured).batch(people, views)
        seen = [sightings_of(samples, slice(first, first + views)) for first in range(0, people * views, views)]
        bodies = [body for first in range(0, people, TOGETHER) for body in solver.fit(seen[first : first + TOGETHER])]
        found = torch.from_numpy(np.stack([body.joints for body in bodies]))
        truth = torch.stack([_in_the_world(samples, first) for first in range(0, people * views, views)])
        row = {
            "views": views,
            "mpjpe_mm": round(1000 * float(joint_error(found, truth).mean()), 1),
            "pa_mpjpe_mm": round(1000 * float(aligned_joint_error(found, truth).mean()), 1),
        }
        true_m = network.body.height_m(samples.target.betas[::views])
        told_m = network.body.height_m(torch.from_numpy(np.stack([body.betas for body in bodies])).float())
        rows.append(row | _heights(true_m.numpy(), told_m.numpy()))
    return rows


def sightings_of(samples: EvidenceSamples, rows: slice) -> list[Sighting]:
    """One person's sightings of these rows; the world's origin is their pelvis."""
    which = layout_indices(_LAYOUT)
    crops, evidence = samples.crops, samples.evidence
    place_px = (crops.center_px[:, None] + evidence.place * crops.side_px[:, None, None] / 2)[rows].double().numpy()
    visibility = evidence.visibility[rows].double().numpy().clip(_LEAST_VISIBLE)
    sightings = []
    for view, row in enumerate(range(rows.start, rows.stop)):
        focal_px, principal_px = float(crops.focal_px[row]), crops.principal_px[row].double().numpy()
        K = np.array([[focal_px, 0, principal_px[0]], [0, focal_px, principal_px[1]], [0, 0, 1]])
        width_px, height_px = (max(int(2 * each), 1) for each in principal_px)
        calibration = Calibration(f"camera{view}", f"camera{view}", width_px, height_px, K)
        pose = np.eye(4)
        pose[:3, :3] = samples.camera_from_world[row].double().numpy().T
        pose[:3, 3] = -pose[:3, :3] @ samples.joints_m[row, 0].double().numpy()
        camera = Camera(None, calibration, 0.0, pose, None)
        sightings.append(Sighting(camera, place_px[view, which], visibility[view, which], _LAYOUT))
    return sightings


def _in_the_world(samples: EvidenceSamples, row: int) -> torch.Tensor:
    """(24, 3) m about the pelvis, in the world's directions."""
    about = samples.joints_m[row] - samples.joints_m[row, :1]
    return (about @ samples.camera_from_world[row]).double()


def _heights(true_m: np.ndarray, told_m: np.ndarray) -> dict[str, float]:
    off, result = np.abs(told_m - true_m) / true_m, {}
    for low, high in AGES_M:
        own = off[(true_m >= low) & (true_m < high)]
        if len(own):
            result[f"height_{low:g}_{high:g}_m_median_share"] = round(float(np.median(own)), 4)
            result[f"height_{low:g}_{high:g}_m_within"] = round(float((own < WITHIN).mean()), 3)
    return result


def table(rows: Sequence[dict]) -> str:
    """Markdown."""
    heads = [f"height {low:g} to {high:g} m: median error, within {WITHIN:.0%}" for low, high in AGES_M]
    lines = ["| views | MPJPE, PA (mm) | " + " | ".join(heads) + " |", "|" + "---|" * (2 + len(heads))]
    for row in rows:
        keys = [f"height_{low:g}_{high:g}_m" for low, high in AGES_M]
        heights = [
            f"{row[f'{key}_median_share']:.1%}, {row[f'{key}_within']:.0%}" if f"{key}_within" in row else "-"
            for key in keys
        ]
        lines.append(f"| {row['views']} | {row['mpjpe_mm']:.0f}, {row['pa_mpjpe_mm']:.0f} | {' | '.join(heights)} |")
    return "\n".join(lines)
